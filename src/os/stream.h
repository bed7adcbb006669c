// One connection's bytes, with or without encryption. Private to the network.
//
// A plain stream reads and writes its socket. TLS will be a second implementation of the same
// three calls; nothing above this seam knows the difference.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include "os/asio.h"

namespace magpie::os {

// Who is told. Held by the stream while an operation is under way, so it outlives the operation.
class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  // `count` bytes were read; an error (asio::error::eof: the peer sent its last byte) otherwise.
  virtual void on_read(const ErrorCode& error, size_t count) = 0;
  virtual void on_writable(const ErrorCode& error) = 0;
};
using StreamOwnerRef = std::shared_ptr<StreamOwner>;

class Stream {
 public:
  virtual ~Stream() = default;

  // Reads once into `into`, then calls on_read. REQUIRES: no read is under way.
  virtual void start_read(std::span<std::byte> into, StreamOwnerRef owner) = 0;

  // Writes as much as can be taken at once; returns how much that was. `error` is would_block if
  // nothing could be taken.
  virtual size_t write(std::span<const iovec> pieces, ErrorCode& error) = 0;

  // Calls on_writable once when write() is worth trying again. REQUIRES: not waiting already.
  virtual void await_writable(StreamOwnerRef owner) = 0;

  // Operations under way end with asio::error::operation_aborted.
  virtual void close() = 0;
};

std::unique_ptr<Stream> make_plain_stream(tcp::socket socket);

}  // namespace magpie::os
