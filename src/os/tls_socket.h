// A socket with OpenSSL between it and its user: what handshake and stream have in common. Private
// to tls_stream.cc.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "os/asio.h"
#include "os/openssl.h"
#include "os/tls_check.h"

namespace magpie::os {

class TlsSocket : public std::enable_shared_from_this<TlsSocket> {
 public:
  // REQUIRES: `socket` is connected and does not block.
  TlsSocket(tcp::socket socket, SSL_CTX* context, std::string peer_name);
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  SSL* ssl() { return ssl_.get(); }
  const TlsCheck& check() const { return check_; }
  tcp::socket& socket() { return socket_; }

  // True if received bytes wait that OpenSSL has not seen or not given yet.
  bool has_received() const { return begin_ < end_ || SSL_pending(ssl_.get()) > 0; }

  // Receives more for OpenSSL to read, then calls `done`. REQUIRES: has_received() was used up.
  void receive(std::function<void(const ErrorCode&)> done);

  void discard_received() { begin_ = end_; }

  // Calls `done` when the socket takes bytes again.
  void await_writable(std::function<void(const ErrorCode&)> done);

  // What the last failed SSL call means; forgets OpenSSL's errors. After that, no more goodbyes.
  ErrorCode take_error();

  // Says goodbye if the connection is whole, without waiting for an answer.
  void close();

  // Called by OpenSSL: bytes moved, or -1 with the retry flag of `bio` set if it must wait.
  int give_received(BIO* bio, char* to, int size);
  int send(BIO* bio, const char* from, int size);

 private:
  tcp::socket socket_;
  TlsCheck check_;
  std::vector<std::byte> received_;
  size_t begin_ = 0;
  size_t end_ = 0;
  ErrorCode send_error_;
  bool broken_ = false;
  SslRef ssl_;
};

}  // namespace magpie::os
