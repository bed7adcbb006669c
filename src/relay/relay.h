// A piece of WAN on this machine: connections pass through it late, slowly, or not at all.
//
// The problem: several regions on one machine are a millisecond apart at most, and the kernel's own
// means of delaying packets are not at hand everywhere. The idea: each link between two regions
// goes through a relay that accepts connections for the far side and passes bytes on under
// conditions that can be changed while it runs, each direction for itself.
//
// What it does not do: it works on connections, not packets, so it cannot reorder or corrupt. A cut
// with reset closes connections; silence keeps them open and lets nothing through.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
//
#include <boost/asio/ip/tcp.hpp>

#include "base/result.h"
#include "relay/conditions.h"

namespace boost::asio {
class io_context;
}

namespace magpie::relay {

struct Address {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
};

class Relay {
 public:
  // Relays what connects to `listen` to `target`. Port 0 lets the system choose.
  Relay(boost::asio::io_context& context, const Address& target, uint64_t seed);
  ~Relay();

  Status listen(const Address& listen);
  uint16_t port() const;
  // Relays a connection that was accepted elsewhere as if it had come in here.
  void adopt(boost::asio::ip::tcp::socket socket);

  // From those who connect to the target, and back.
  void set(const Conditions& there, const Conditions& back);
  const Conditions& there() const;
  const Conditions& back() const;

  // Closes every connection; refuses new ones until opened again.
  void cut();
  void open();

  size_t connections() const;
  uint64_t bytes_there() const;
  uint64_t bytes_back() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace magpie::relay
