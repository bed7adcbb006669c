#include "os/connection.h"

#include <fmt/format.h>
#include <limits.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::os {
namespace {

// One connection may write this much before the others have their turn.
constexpr size_t kWriteBytesPerTurn = 8 * 1024 * 1024;

}  // namespace

Connection::Connection(ConnectionHost& host, ListenerKind kind, const ConnectionLimits& limits,
                       port::ConnectionId id, std::string peer, std::string address,
                       std::unique_ptr<Stream> stream)
    : host_(host),
      kind_(kind),
      limits_(limits),
      id_(id),
      peer_(std::move(peer)),
      address_(std::move(address)),
      stream_(std::move(stream)),
      assembler_(limits.request_bytes),
      last_activity_(host.now().instant),
      last_progress_(last_activity_) {}

void Connection::start() {
  continue_reading();
}

// --- reading ------------------------------------------------------------------------------------

void Connection::on_read(const ErrorCode& error, size_t count) {
  read_under_way_ = false;
  if (state_ != State::kOpen) return;
  if (error == asio::error::eof) {
    announce_closed("closed by the peer");
    state_ = State::kDraining;  // responses already on their way are still delivered
    drain_until_ = host_.now().instant + limits_.drain_max;
    if (!flush_planned_) host_.flush_later(*this);
    flush_planned_ = true;
    return;
  }
  if (error) {
    close("read failed: " + error.message());
    return;
  }
  if (turn_ != host_.turn()) {
    turn_ = host_.turn();
    bytes_this_turn_ = 0;
  }
  bytes_this_turn_ += count;
  last_activity_ = host_.now().instant;
  assembler_.commit(count);
  deliver_frames();
  continue_reading();
}

void Connection::deliver_frames() {
  while (state_ == State::kOpen && reading_enabled_) {
    std::optional<Buffer> frame = assembler_.next();
    if (!frame.has_value()) break;
    host_.deliver(port::FrameReceived{id_, std::move(*frame)});
  }
  if (state_ == State::kOpen && !assembler_.status()) {
    const std::string& why = assembler_.status().error().message;
    host_.log(port::Severity::kWarning, "connection.bad_frame",
              fmt::format("closed {}: {}", peer_, why));
    close(why);
  }
}

void Connection::continue_reading() {
  if (state_ != State::kOpen || !reading_enabled_ || read_under_way_) return;
  if (turn_ == host_.turn() && bytes_this_turn_ >= limits_.read_bytes_per_turn) {
    if (!resume_planned_) host_.resume_later(*this);
    resume_planned_ = true;
    return;
  }
  read_under_way_ = true;
  stream_->start_read(assembler_.writable(), shared_from_this());
}

void Connection::set_reading(bool enabled) {
  if (reading_enabled_ == enabled) return;
  reading_enabled_ = enabled;
  // What was read before the stop waits in the assembler; it is delivered with the next turn, so
  // that effects are never answered by events from within.
  if (enabled && !resume_planned_) {
    resume_planned_ = true;
    host_.resume_later(*this);
  }
}

void Connection::resume_reading() {
  resume_planned_ = false;
  if (state_ != State::kOpen || read_under_way_) return;
  deliver_frames();
  continue_reading();
}

// --- writing ------------------------------------------------------------------------------------

void Connection::send(BufferChain bytes) {
  if (state_ == State::kClosed) return;
  if (queue_.empty()) last_progress_ = host_.now().instant;
  const uint64_t before = queue_.bytes();
  queue_.push(std::move(bytes));
  host_.queued_bytes_changed(kind_, static_cast<int64_t>(queue_.bytes() - before));
  if (!flush_planned_) host_.flush_later(*this);
  flush_planned_ = true;
}

void Connection::flush() {
  flush_planned_ = false;
  if (state_ == State::kClosed) return;
  if (!awaiting_writable_) write_queue();
  if (state_ == State::kClosed) return;
  if (queue_.bytes() > limits_.send_queue_bytes) {
    const std::string why =
        fmt::format("{} bytes wait for it and it does not read", queue_.bytes());
    host_.log(port::Severity::kWarning, "connection.slow_reader",
              fmt::format("closed {}: {}", peer_, why));
    close("slow reader: " + why);
    return;
  }
  tell_queue_level();
  if (state_ == State::kDraining && queue_.empty()) release();
}

void Connection::write_queue() {
  std::vector<iovec>& pieces = host_.write_pieces();
  size_t written_this_turn = 0;
  while (!queue_.empty()) {
    if (written_this_turn >= kWriteBytesPerTurn) {
      flush_planned_ = true;
      host_.flush_next_turn(*this);
      return;
    }
    queue_.gather(pieces, IOV_MAX);
    ErrorCode error;
    const size_t count = stream_->write(pieces, error);
    if (error == asio::error::would_block) {
      awaiting_writable_ = true;
      stream_->await_writable(shared_from_this());
      return;
    }
    if (error) {
      close("write failed: " + error.message());
      return;
    }
    written_this_turn += count;
    queue_.consume(count);
    host_.queued_bytes_changed(kind_, -static_cast<int64_t>(count));
    last_activity_ = host_.now().instant;
    last_progress_ = last_activity_;
  }
}

void Connection::on_writable(const ErrorCode& error) {
  awaiting_writable_ = false;
  if (state_ == State::kClosed || error == asio::error::operation_aborted) return;
  if (!flush_planned_) host_.flush_later(*this);
  flush_planned_ = true;
}

void Connection::tell_queue_level() {
  const bool above = above_high_water_ ? queue_.bytes() >= limits_.send_low_water
                                       : queue_.bytes() > limits_.send_high_water;
  if (above == above_high_water_ || state_ != State::kOpen) return;
  above_high_water_ = above;
  host_.deliver(port::SendQueueChanged{id_, queue_.bytes(), above});
}

// --- closing ------------------------------------------------------------------------------------

void Connection::close(const std::string& reason) {
  if (state_ == State::kClosed) return;
  announce_closed(reason);
  release();
}

void Connection::drain(const std::string& reason) {
  if (state_ != State::kOpen) return;
  state_ = State::kDraining;
  drain_reason_ = reason;
  drain_until_ = host_.now().instant + limits_.drain_max;
  if (!flush_planned_) host_.flush_later(*this);
  flush_planned_ = true;
}

void Connection::announce_closed(const std::string& reason) {
  if (closed_announced_) return;
  closed_announced_ = true;
  host_.deliver(port::ConnectionClosed{id_, reason});
}

void Connection::release() {
  CHECK(state_ != State::kClosed);
  announce_closed(drain_reason_);
  state_ = State::kClosed;
  host_.queued_bytes_changed(kind_, -static_cast<int64_t>(queue_.bytes()));
  queue_ = SendQueue();
  stream_->close();
  host_.forget(*this);
}

void Connection::check_deadlines() {
  if (state_ == State::kClosed) return;
  const Instant now = host_.now().instant;
  if (now >= drain_until_) {
    close(drain_reason_);
  } else if (!queue_.empty() && now - last_progress_ >= limits_.stalled_max) {
    host_.log(port::Severity::kWarning, "connection.slow_reader",
              fmt::format("closed {}: it took none of {} waiting bytes for {} s", peer_,
                          queue_.bytes(), limits_.stalled_max.to_milliseconds() / 1'000));
    close("slow reader: took nothing for too long");
  } else if (now - last_activity_ >= limits_.idle_max) {
    close("idle for too long");
  }
}

}  // namespace magpie::os
