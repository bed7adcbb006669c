// One connection, of a client or a link: bytes in, frames out; buffers in, bytes out. Private to
// the network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "os/network_config.h"
#include "os/send_queue.h"
#include "os/stream.h"
#include "port/event.h"
#include "wire/frame.h"

namespace magpie::os {

class Connection;

// What a connection needs from the network it belongs to.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual Now now() const = 0;
  virtual uint64_t turn() const = 0;
  virtual void deliver(port::Event event) = 0;
  virtual void log(port::Severity severity, const char* code, std::string text) = 0;
  // Call connection.flush() at the end of this turn.
  virtual void flush_later(Connection& connection) = 0;
  virtual void flush_next_turn(Connection& connection) = 0;
  // Call connection.resume_reading() at the beginning of the next turn.
  virtual void resume_later(Connection& connection) = 0;
  // Memory for gathering writes, shared because one connection at a time is flushed.
  virtual std::vector<iovec>& write_pieces() = 0;
  virtual void queued_bytes_changed(ListenerKind kind, int64_t difference) = 0;
  // The connection is closed and may be forgotten.
  virtual void forget(Connection& connection) = 0;
};

class Connection final : public StreamOwner, public std::enable_shared_from_this<Connection> {
 public:
  // `limits` must live as long as the host.
  Connection(ConnectionHost& host, ListenerKind kind, const ConnectionLimits& limits,
             port::ConnectionId id, std::string peer, std::string address,
             std::unique_ptr<Stream> stream);
  ~Connection() override = default;

  // Begins to read. Called once.
  void start();

  void send(BufferChain bytes);
  void set_reading(bool enabled);
  void resume_reading();

  // Writes what is queued, as far as the socket takes it.
  void flush();

  // Tells the node and closes the socket now.
  void close(const std::string& reason);
  // Reads nothing more and closes when everything queued has been sent, at the latest after
  // drain_max.
  void drain(const std::string& reason);

  // Closes the connection if it has been idle, stalled or draining for too long.
  void check_deadlines();

  port::ConnectionId id() const { return id_; }
  ListenerKind kind() const { return kind_; }
  const std::string& peer() const { return peer_; }
  const std::string& address() const { return address_; }
  uint64_t queued_bytes() const { return queue_.bytes(); }

  void on_read(const ErrorCode& error, size_t count) override;
  void on_writable(const ErrorCode& error) override;

 private:
  enum class State { kOpen, kDraining, kClosed };

  void deliver_frames();
  void continue_reading();
  void write_queue();
  void tell_queue_level();
  void announce_closed(const std::string& reason);
  void release();

  ConnectionHost& host_;
  const ListenerKind kind_;
  const ConnectionLimits& limits_;
  port::ConnectionId id_;
  std::string peer_;
  std::string address_;  // without the port, for the limit per address
  std::unique_ptr<Stream> stream_;
  wire::FrameAssembler assembler_;
  SendQueue queue_;

  State state_ = State::kOpen;
  std::string drain_reason_;
  bool closed_announced_ = false;
  bool reading_enabled_ = true;
  bool read_under_way_ = false;
  bool resume_planned_ = false;
  bool awaiting_writable_ = false;
  bool flush_planned_ = false;
  bool above_high_water_ = false;
  uint64_t turn_ = 0;  // bytes_this_turn_ counts in this turn
  size_t bytes_this_turn_ = 0;
  Instant last_activity_;  // bytes moved in either direction
  Instant last_progress_;  // the send queue was empty, or bytes of it were taken
  Instant drain_until_ = Instant::never();
};

}  // namespace magpie::os
