#include "os/address.h"

#include <fmt/format.h>

namespace magpie::os {

std::string to_text(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

std::string to_text(const tcp::endpoint& endpoint) {
  const std::string address = to_text(endpoint.address());
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, endpoint.port())
                                                : fmt::format("[{}]:{}", address, endpoint.port());
}

}  // namespace magpie::os
