// Whether somebody's HTTP port says that all is well, asked without waiting.
#pragma once

#include <functional>
#include <string>

#include "server/config_text.h"

namespace boost::asio {
class io_context;
}

namespace magpie::server {

// Calls `done` once from the loop: true if a GET of `target` was answered with 200 within a second.
void probe_health(boost::asio::io_context& context, const HostPort& address,
                  const std::string& target, std::function<void(bool)> done);

}  // namespace magpie::server
