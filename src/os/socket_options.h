// What sockets of each kind are told. Private to this folder.
#pragma once

#include <string>

#include "os/asio.h"
#include "os/network_config.h"

namespace magpie::os {

// For an accepted client connection.
void set_client_options(tcp::socket& socket);

// For a connection to an HTTP server: what a watch waits for may not come for hours, and that the
// server is gone must be known sooner.
void set_call_options(tcp::socket& socket);

// For a link, accepted or about to connect.
void set_link_options(tcp::socket& socket, const LinkConfig& config);

// Buffers decide which window a connection offers when it begins, so they are set before that: on
// the socket that connects, or on the one that listens. Returns a sentence for the operator if the
// kernel gave less than was asked for.
std::string set_link_buffers(int socket, const LinkConfig& config);

}  // namespace magpie::os
