// Addresses as people write them. Private to this folder.
#pragma once

#include <string>

#include "os/asio.h"

namespace magpie::os {

// "10.0.0.1", also for an IPv4 address that arrived in IPv6's clothes.
std::string to_text(const asio::ip::address& address);

// "10.0.0.1:9095" or "[::1]:9095".
std::string to_text(const tcp::endpoint& endpoint);

}  // namespace magpie::os
