// One address that is listened on. Private to the network.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/accept_limits.h"
#include "os/asio.h"
#include "os/log_sink.h"
#include "os/network_config.h"

namespace magpie::os {

// The addresses that `host` stands for, each with the port. Error: kInvalidArgument.
Result<std::vector<tcp::endpoint>> resolve(asio::io_context& context, const std::string& host,
                                           uint16_t port);

// A socket bound to `endpoint` and listening. Error: the reason and what to do; `*refused`
// receives the system's error.
Result<tcp::acceptor> open_acceptor(asio::io_context& context, const tcp::endpoint& endpoint,
                                    ErrorCode* refused);

// The same for every address of `config.host`. Addresses that this machine does not have are left
// out as long as one remains. `what` names the listener in messages: "listener internal".
Result<std::vector<tcp::acceptor>> open_acceptors(asio::io_context& context,
                                                  const ListenerConfig& config,
                                                  const std::string& what);

// Accepts connections at a limited rate.
class Listener {
 public:
  using OnAccept = std::function<void(tcp::socket)>;
  using OnError = std::function<void(const ErrorCode&)>;

  Listener(tcp::acceptor acceptor, uint32_t accepts_per_second, Instant now);

  // `on_error` hears of errors that hold accepting up, such as too few descriptors.
  void start(OnAccept on_accept, OnError on_error);

  // Nobody is accepted any more; who waits for it is refused.
  void stop();

  // Accepting goes on if it was held up and `now` is late enough.
  void begin_turn(Instant now);
  Instant next_deadline() const { return resume_at_; }

  uint16_t port() const { return port_; }

 private:
  void accept_next();
  void on_accepted(const ErrorCode& error, tcp::socket socket);

  tcp::acceptor acceptor_;
  const uint16_t port_;
  RateLimit rate_;
  OnAccept on_accept_;
  OnError on_error_;
  Instant now_;
  Instant resume_at_ = Instant::never();
};

}  // namespace magpie::os
