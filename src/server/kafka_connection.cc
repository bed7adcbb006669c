#include "server/kafka_connection.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <utility>

namespace magpie::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr uint32_t kAnswerBytesMax = 64u * 1024 * 1024;

}  // namespace

struct KafkaConnection::Socket {
  asio::io_context context;
  beast::tcp_stream stream{context};

  // Runs what was started and returns the error it left.
  error_code finish(const error_code& error) {
    context.restart();
    context.run();
    return error;
  }
};

KafkaConnection::KafkaConnection(Duration timeout) : timeout_(timeout) {}
KafkaConnection::~KafkaConnection() = default;

Status KafkaConnection::connect(const HostPort& address) {
  socket_ = std::make_unique<Socket>();
  socket_->stream.expires_after(std::chrono::nanoseconds(timeout_.nanos));
  error_code error;
  asio::ip::tcp::resolver resolver(socket_->context);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
  if (!error) {
    socket_->stream.async_connect(found, [&](error_code result, const auto&) { error = result; });
    socket_->finish(error);
  }
  if (!error) return {};
  return fail(ErrorKind::kUnavailable,
              fmt::format("cannot connect to {}: {}", host_port_text(address), error.message()));
}

Result<Buffer> KafkaConnection::exchange(const BufferChain& frame) {
  const auto broken = [](const error_code& error) {
    return fail(ErrorKind::kUnavailable, fmt::format("no answer: {}", error.message()));
  };
  const Buffer flat = flatten(frame);
  socket_->stream.expires_after(std::chrono::nanoseconds(timeout_.nanos));
  error_code error;
  const auto done = [&](error_code result, size_t) { error = result; };
  asio::async_write(socket_->stream, asio::buffer(flat.text().data(), flat.size()), done);
  if (socket_->finish(error)) return broken(error);
  std::array<unsigned char, 4> size_bytes = {};
  asio::async_read(socket_->stream, asio::buffer(size_bytes), done);
  if (socket_->finish(error)) return broken(error);
  uint32_t size = 0;
  for (const unsigned char byte : size_bytes) size = size << 8 | byte;
  if (size > kAnswerBytesMax) {
    return fail(ErrorKind::kCorrupt, "the answer is not one of a Kafka broker");
  }
  std::string answer(size, '\0');
  asio::async_read(socket_->stream, asio::buffer(answer), done);
  if (socket_->finish(error)) return broken(error);
  return Buffer::copy_of(answer);
}

}  // namespace magpie::server
