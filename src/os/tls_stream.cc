#include "os/tls_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "os/tls_socket.h"

namespace magpie::os {
namespace {

// The largest record that TLS allows (RFC 8446 section 5.1).
constexpr size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;

// How long a peer that was refused may take to hear of it.
constexpr std::chrono::seconds kLastWords{1};

// Reading as a state of its own, because it goes on after the stream was destroyed. Only operations
// under way hold the owner, which holds the stream.
class TlsReader : public std::enable_shared_from_this<TlsReader> {
 public:
  explicit TlsReader(std::shared_ptr<TlsSocket> socket) : socket_(std::move(socket)) {}

  void start(std::span<std::byte> into, StreamOwnerRef owner) {
    into_ = into;
    if (!socket_->has_received() && !ended_) {
      receive(std::move(owner));
      return;
    }
    asio::post(socket_->socket().get_executor(),
               [self = shared_from_this(), owner = std::move(owner)] { self->decrypt(owner); });
  }

  void close() { closed_ = true; }

 private:
  void receive(StreamOwnerRef owner) { socket_->receive(decrypt_later(std::move(owner))); }

  std::function<void(const ErrorCode&)> decrypt_later(StreamOwnerRef owner) {
    return [self = shared_from_this(), owner = std::move(owner)](const ErrorCode& error) {
      error ? owner->on_read(error, 0) : self->decrypt(owner);
    };
  }

  void decrypt(const StreamOwnerRef& owner) {
    if (closed_) return owner->on_read(asio::error::operation_aborted, 0);
    if (ended_) return owner->on_read(failure_, 0);
    size_t done = 0;
    int result = 1;
    ERR_clear_error();
    while (result == 1 && done < into_.size()) {
      size_t count = 0;
      result = SSL_read_ex(socket_->ssl(), into_.data() + done, into_.size() - done, &count);
      if (result == 1) done += count;
    }
    if (result == 1) return owner->on_read({}, done);
    on_no_more(owner, done, SSL_get_error(socket_->ssl(), result));
  }

  // What has been decrypted is delivered first; what came after it is found again by the next read.
  void on_no_more(const StreamOwnerRef& owner, size_t done, int why) {
    const bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    if (!waits) {
      ended_ = true;
      failure_ = why == SSL_ERROR_ZERO_RETURN ? ErrorCode(asio::error::eof) : socket_->take_error();
    }
    if (done > 0) return owner->on_read({}, done);
    if (why == SSL_ERROR_WANT_READ) return receive(owner);
    if (why == SSL_ERROR_WANT_WRITE) return socket_->await_writable(decrypt_later(owner));
    owner->on_read(failure_, 0);
  }

  std::shared_ptr<TlsSocket> socket_;
  std::span<std::byte> into_;
  bool closed_ = false;
  bool ended_ = false;  // no more bytes will come, because of failure_
  ErrorCode failure_;
};

class TlsStream final : public Stream {
 public:
  explicit TlsStream(std::shared_ptr<TlsSocket> socket)
      : socket_(std::move(socket)), reader_(std::make_shared<TlsReader>(socket_)) {}

  void start_read(std::span<std::byte> into, StreamOwnerRef owner) override {
    reader_->start(into, std::move(owner));
  }

  size_t write(std::span<const iovec> pieces, ErrorCode& error) override;

  void await_writable(StreamOwnerRef owner) override {
    socket_->await_writable(
        [owner = std::move(owner)](const ErrorCode& error) { owner->on_writable(error); });
  }

  void close() override {
    reader_->close();
    socket_->close();
  }

 private:
  // The next bytes to encrypt, at most a record: `skip` bytes of the first piece are sent.
  std::span<const std::byte> next_record(std::span<const iovec> pieces, size_t skip);

  std::shared_ptr<TlsSocket> socket_;
  std::shared_ptr<TlsReader> reader_;
  std::array<std::byte, kRecordBytes> record_;
};

std::span<const std::byte> TlsStream::next_record(std::span<const iovec> pieces, size_t skip) {
  const auto* first = static_cast<const std::byte*>(pieces.front().iov_base) + skip;
  const size_t size = pieces.front().iov_len - skip;
  if (size >= kRecordBytes) return {first, kRecordBytes};
  if (pieces.size() == 1) return {first, size};
  std::memcpy(record_.data(), first, size);
  size_t filled = size;
  for (const iovec& piece : pieces.subspan(1)) {
    const size_t count = std::min(piece.iov_len, kRecordBytes - filled);
    std::memcpy(record_.data() + filled, piece.iov_base, count);
    filled += count;
    if (filled == kRecordBytes) break;
  }
  return {record_.data(), filled};
}

// A record that the socket took in part is offered again by the next call, which has to begin with
// the same bytes: the send queue only grows at its end, so it does.
size_t TlsStream::write(std::span<const iovec> pieces, ErrorCode& error) {
  error = {};
  size_t total = 0;
  size_t skip = 0;
  while (!pieces.empty()) {
    const std::span<const std::byte> record = next_record(pieces, skip);
    size_t count = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(socket_->ssl(), record.data(), record.size(), &count);
    if (result != 1) {
      const int why = SSL_get_error(socket_->ssl(), result);
      const bool waits = why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
      if (waits && total > 0) return total;
      error = waits ? ErrorCode(asio::error::would_block) : socket_->take_error();
      return total;
    }
    total += count;
    skip += count;
    while (!pieces.empty() && skip >= pieces.front().iov_len) {
      skip -= pieces.front().iov_len;
      pieces = pieces.subspan(1);
    }
  }
  return total;
}

}  // namespace

class TlsHandshake::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(tcp::socket socket, SSL_CTX* context, const std::string& peer_name, Duration timeout,
          OnDone done)
      : timer_(socket.get_executor()),
        timeout_(timeout),
        done_(std::move(done)),
        socket_(std::make_shared<TlsSocket>(std::move(socket), context, peer_name)) {}

  void start(TlsSide side) {
    const std::shared_ptr<Attempt> alive = shared_from_this();
    side == TlsSide::kAccepting ? SSL_set_accept_state(socket_->ssl())
                                : SSL_set_connect_state(socket_->ssl());
    timer_.expires_after(std::chrono::nanoseconds(timeout_.nanos));
    timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
      if (error || !self->done_) return;
      self->refuse(fmt::format("the peer did not finish the TLS handshake within {} ms",
                               self->timeout_.to_milliseconds()));
    });
    go_on({});
  }

  void cancel() {
    if (!done_) return;  // has ended, or says its last words
    done_ = {};
    ErrorCode ignored;
    timer_.cancel(ignored);
    socket_->close();
  }

 private:
  void go_on(const ErrorCode& error) {
    if (!done_) return;
    if (error) {
      refuse(error == asio::error::eof
                 ? "the peer ended the connection during the TLS handshake; perhaps it does not "
                   "use TLS"
                 : "the TLS handshake failed: " + error.message());
      return;
    }
    ERR_clear_error();
    const int result = SSL_do_handshake(socket_->ssl());
    if (result == 1) {
      succeed();
      return;
    }
    const auto again = [self = shared_from_this()](const ErrorCode& failed) {
      self->go_on(failed);
    };
    const int why = SSL_get_error(socket_->ssl(), result);
    if (why == SSL_ERROR_WANT_READ) {
      socket_->receive(again);
    } else if (why == SSL_ERROR_WANT_WRITE) {
      socket_->await_writable(again);
    } else {
      const ErrorCode failed = socket_->take_error();
      const std::string& refusal = socket_->check().refusal;
      refusal.empty() ? refuse(failed.message()) : refuse_certificate(refusal);
    }
  }

  // A peer with a certificate is told why it is refused (OpenSSL has sent the alert); closing
  // before everything it sent is read would take that message back.
  void refuse_certificate(const std::string& why) {
    ErrorCode ignored;
    socket_->socket().shutdown(tcp::socket::shutdown_send, ignored);
    finish(fail(ErrorKind::kUnavailable, why));
    timer_.expires_after(kLastWords);
    timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
      if (!error) self->socket_->close();
    });
    discard({});
  }

  void discard(const ErrorCode& error) {
    if (error) {
      ErrorCode ignored;
      timer_.cancel(ignored);
      socket_->close();
      return;
    }
    socket_->discard_received();
    socket_->receive(
        [self = shared_from_this()](const ErrorCode& failed) { self->discard(failed); });
  }

  void succeed() {
    TlsPeer peer{nullptr, peer_name_of(socket_->ssl())};
    peer.stream = std::make_unique<TlsStream>(socket_);
    finish(std::move(peer));
  }

  void refuse(const std::string& why) {
    socket_->close();
    finish(fail(ErrorKind::kUnavailable, why));
  }

  void finish(Result<TlsPeer> result) {
    ErrorCode ignored;
    timer_.cancel(ignored);
    const std::shared_ptr<Attempt> self = shared_from_this();
    const OnDone done = std::exchange(done_, {});
    CHECK(done != nullptr);
    done(std::move(result));
  }

  asio::steady_timer timer_;
  const Duration timeout_;
  OnDone done_;
  std::shared_ptr<TlsSocket> socket_;
};

TlsHandshake::TlsHandshake(tcp::socket socket, SSL_CTX* context, TlsSide side,
                           const std::string& peer_name, Duration timeout, OnDone done)
    : side_(side),
      attempt_(std::make_shared<Attempt>(std::move(socket), context, peer_name, timeout,
                                         std::move(done))) {}

TlsHandshake::~TlsHandshake() {
  attempt_->cancel();
}

void TlsHandshake::start() {
  attempt_->start(side_);
}

}  // namespace magpie::os
