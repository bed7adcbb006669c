// The way out for a process of `magpie dev` that knows no relays but can be told to use a proxy.
//
// The problem: members of an etcd find each other by one address each, which is the same for all of
// them. A relay in front of a member could not tell who calls, and so could not cut one pair off.
// The idea: the addresses lead nowhere, and each member has a proxy of its own (HTTPS_PROXY) that
// is asked for a connection by address (HTTP CONNECT, RFC 9110 section 9.3.6) and gives the lane
// from this member to that one.
//
// What it does not do: anything but CONNECT.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/config_text.h"

namespace boost::asio {
class io_context;
}
namespace magpie::relay {
class Relay;
}

namespace magpie::server {

class DevExit {
 public:
  // The relay to "HOST:PORT"; null if there is none. It must live as long as this.
  using Find = std::function<relay::Relay*(const std::string& target)>;

  // A request of more than 4 KiB closes its connection, as does the 65th that asks for nothing.
  DevExit(boost::asio::io_context& context, Find find);
  ~DevExit();

  // Error: a sentence for the operator.
  Status listen(const HostPort& address);

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace magpie::server
