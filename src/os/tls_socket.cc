#include "os/tls_socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace magpie::os {
namespace {

// Received at once: several records of the largest size.
constexpr size_t kReceiveBytes = 128 * 1024;

TlsSocket* socket_of(BIO* bio) {
  return static_cast<TlsSocket*>(BIO_get_data(bio));
}

int bio_read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  return socket_of(bio)->give_received(bio, to, size);
}

int bio_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  return socket_of(bio)->send(bio, from, size);
}

long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "magpie socket");
  CHECK(method != nullptr);
  CHECK(BIO_meth_set_read(method, bio_read) == 1);
  CHECK(BIO_meth_set_write(method, bio_write) == 1);
  CHECK(BIO_meth_set_ctrl(method, bio_control) == 1);
  CHECK(BIO_meth_set_create(method, bio_create) == 1);
  return method;
}

BIO* new_bio(TlsSocket* socket) {
  static BIO_METHOD* const method = make_method();  // once per process
  BIO* bio = BIO_new(method);
  CHECK(bio != nullptr);
  BIO_set_data(bio, socket);
  return bio;
}

}  // namespace

TlsSocket::TlsSocket(tcp::socket socket, SSL_CTX* context, std::string peer_name)
    : socket_(std::move(socket)),
      check_{std::move(peer_name), "", ""},
      received_(kReceiveBytes),
      ssl_(SSL_new(context)) {
  CHECK(ssl_ != nullptr);
  attach(ssl_.get(), check_);
  BIO* bio = new_bio(this);
  SSL_set_bio(ssl_.get(), bio, bio);
}

int TlsSocket::give_received(BIO* bio, char* to, int size) {
  const size_t count = std::min(end_ - begin_, static_cast<size_t>(size));
  if (count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(to, received_.data() + begin_, count);
  begin_ += count;
  return static_cast<int>(count);
}

int TlsSocket::send(BIO* bio, const char* from, int size) {
  while (true) {
    const ssize_t count = ::send(socket_.native_handle(), from, static_cast<size_t>(size),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return static_cast<int>(count);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      BIO_set_retry_write(bio);
    } else {
      send_error_ = ErrorCode(errno, boost::system::system_category());
    }
    return -1;
  }
}

void TlsSocket::receive(std::function<void(const ErrorCode&)> done) {
  CHECK(begin_ == end_);
  begin_ = end_ = 0;
  socket_.async_read_some(
      asio::buffer(received_.data(), received_.size()),
      [self = shared_from_this(), done = std::move(done)](const ErrorCode& error, size_t count) {
        self->end_ += count;
        done(error);
      });
}

void TlsSocket::await_writable(std::function<void(const ErrorCode&)> done) {
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this(), done = std::move(done)](
                                                  const ErrorCode& error) { done(error); });
}

ErrorCode TlsSocket::take_error() {
  broken_ = true;
  const ErrorCode error = take_tls_error();
  return send_error_ ? send_error_ : error;
}

void TlsSocket::close() {
  if (!socket_.is_open()) return;
  if (!broken_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace magpie::os
