// Boost.Asio as this folder uses it: one thread, no exceptions of ours. Private: only .cc files and
// private headers include it, because it is slow to compile.
#pragma once

// Boost 1.74 forgets this one when coroutines are switched on.
#include <utility>
//
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>

namespace magpie::os {

namespace asio = boost::asio;
using tcp = boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

}  // namespace magpie::os
