#include "os/stream.h"

#include <errno.h>
#include <sys/socket.h>

namespace magpie::os {
namespace {

class PlainStream final : public Stream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  void start_read(std::span<std::byte> into, StreamOwnerRef owner) override {
    socket_.async_read_some(asio::buffer(into.data(), into.size()),
                            [owner = std::move(owner)](const ErrorCode& error, size_t count) {
                              owner->on_read(error, count);
                            });
  }

  size_t write(std::span<const iovec> pieces, ErrorCode& error) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    while (true) {
      const ssize_t count =
          ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        error = {};
        return static_cast<size_t>(count);
      }
      if (errno == EINTR) continue;
      error = errno == EAGAIN ? ErrorCode(asio::error::would_block)
                              : ErrorCode(errno, boost::system::system_category());
      return 0;
    }
  }

  void await_writable(StreamOwnerRef owner) override {
    socket_.async_wait(tcp::socket::wait_write, [owner = std::move(owner)](const ErrorCode& error) {
      owner->on_writable(error);
    });
  }

  void close() override {
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  tcp::socket socket_;
};

}  // namespace

std::unique_ptr<Stream> make_plain_stream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace magpie::os
