// A connection's bytes, encrypted. The second implementation of Stream. Private to this folder.
//
// Received bytes wait in a buffer that OpenSSL reads from; bytes to send are handed to the socket
// record by record, so that what write() took is in the kernel's hands, as with a plain stream.
// Small pieces share a record, large ones are encrypted from where they are.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "os/openssl.h"
#include "os/stream.h"

namespace magpie::os {

enum class TlsSide { kAccepting, kConnecting };

struct TlsPeer {
  std::unique_ptr<Stream> stream;
  std::string name;  // whom the peer's certificate was issued for
};

// One attempt. It goes on until it has called back or is destroyed; destroying it from within the
// callback is allowed.
class TlsHandshake {
 public:
  using OnDone = std::function<void(Result<TlsPeer>)>;

  // Calls `done` once from the loop, perhaps from within start(): with a stream, or with
  // kUnavailable and a sentence that says what is wrong with whose certificate. With a `peer_name`
  // the peer must have that one. `socket` is connected and does not block.
  TlsHandshake(tcp::socket socket, SSL_CTX* context, TlsSide side, const std::string& peer_name,
               Duration timeout, OnDone done);
  ~TlsHandshake();

  void start();

 private:
  class Attempt;
  const TlsSide side_;
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace magpie::os
