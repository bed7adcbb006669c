// Links that are being opened: address, connection, handshake. Private to the network.
//
// Whatever happens before a link can carry frames happens here, within the times of LinkConfig, so
// that the network only ever sees finished ones.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "os/dialer.h"
#include "os/log_sink.h"
#include "os/network_config.h"
#include "os/resolver.h"
#include "os/stream.h"
#include "os/tls_context.h"
#include "os/tls_stream.h"

namespace magpie::os {

struct ReadyLink {
  std::unique_ptr<Stream> stream;
  std::string peer;       // "address:port"
  std::string address;    // without the port
  std::string peer_name;  // of the peer's certificate; empty without TLS
};

class LinkSetup {
 public:
  using OnDone = std::function<void(Result<ReadyLink>)>;

  // All arguments must live longer.
  LinkSetup(asio::io_context& context, Resolver& resolver, const LinkConfig& config, LogSink& log);
  ~LinkSetup();

  // Reads the files of the TLS configuration, if there is one. REQUIRES: called before all else.
  // Error: a sentence for the operator.
  Status open();

  // Calls `done` once from the loop, never from within. Returns a number for cancel(). An error
  // says what failed and why.
  uint64_t connect(const std::string& host, uint16_t port, const std::string& peer_name,
                   OnDone done);
  // The same for a socket that was accepted; without TLS, `done` is called from within. REQUIRES:
  // called from the loop.
  void accept(tcp::socket socket, OnDone done);

  // Gives up a connect(); its `done` will not be called.
  void cancel(uint64_t number);

  // How many are under way.
  size_t size() const { return pending_.size(); }

 private:
  struct Pending;

  uint64_t add(TlsSide side, std::string peer_name, OnDone done);
  void on_connected(uint64_t number, tcp::socket socket);
  void secure(uint64_t number, tcp::socket socket, ReadyLink link);
  void finish(uint64_t number, Result<ReadyLink> link);

  asio::io_context& context_;
  Resolver& resolver_;
  const LinkConfig& config_;
  LogSink& log_;
  std::unique_ptr<TlsContext> tls_;
  std::map<uint64_t, std::unique_ptr<Pending>> pending_;
  uint64_t last_number_ = 0;
};

}  // namespace magpie::os
