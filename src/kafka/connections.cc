#include "kafka/connections.h"

#include <utility>

#include "base/big_endian.h"
#include "base/check.h"
#include "wire/api_table.h"

namespace magpie::kafka {
namespace {

// Its answers are small, and its work is worth doing side by side: many wait for one fsync.
bool is_produce(const Buffer& frame) {
  return frame.size() >= 2 &&
         load_big_endian<int16_t>(frame.bytes(), 0) == static_cast<int16_t>(wire::ApiKey::kProduce);
}

}  // namespace

void Connections::opened(const port::ConnectionOpened& event, port::Effects& effects) {
  const auto [place, fresh] =
      connections_.emplace(event.connection, Connection{.info = {event.listener, event.peer}});
  CHECK(fresh);
  set_reading(event.connection, place->second, effects);
}

void Connections::set_serving(bool serving, port::Effects& effects) {
  serving_ = serving;
  for (auto& [id, connection] : connections_) set_reading(id, connection, effects);
}

void Connections::closed(port::ConnectionId connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  unanswered_bytes_ -= found->second.unanswered_bytes;
  connections_.erase(found);
}

const Connections::Info* Connections::find(port::ConnectionId connection) const {
  const auto found = connections_.find(connection);
  return found == connections_.end() ? nullptr : &found->second.info;
}

void Connections::receive(port::ConnectionId id, Buffer frame, port::Effects& effects) {
  const auto found = connections_.find(id);
  CHECK(found != connections_.end());
  Connection& connection = found->second;
  connection.unanswered_bytes += frame.size();
  unanswered_bytes_ += frame.size();
  connection.waiting.push_back(std::move(frame));
  look_at(id, connection);
  set_reading(id, connection, effects);
}

bool Connections::may_begin(const Connection& connection, const Buffer& frame) {
  if (is_produce(frame)) return true;
  return connection.slots.empty() && !connection.peer_is_slow &&
         connection.sent_since_tick < kAnswersPerTurn;
}

// Names the connection as a candidate if its first waiting request may begin.
void Connections::look_at(port::ConnectionId id, Connection& connection) {
  if (connection.is_candidate || connection.waiting.empty()) return;
  if (!may_begin(connection, connection.waiting.front())) return;
  connection.is_candidate = true;
  candidates_.push_back(id);
}

std::optional<std::pair<port::ConnectionId, Buffer>> Connections::next_frame() {
  while (!candidates_.empty()) {
    const port::ConnectionId id = candidates_.front();
    candidates_.pop_front();
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    Connection& connection = found->second;
    connection.is_candidate = false;
    if (connection.waiting.empty() || !may_begin(connection, connection.waiting.front())) continue;
    Buffer frame = std::move(connection.waiting.front());
    connection.waiting.pop_front();
    // begin() counts it again.
    connection.unanswered_bytes -= frame.size();
    unanswered_bytes_ -= frame.size();
    return std::pair(id, std::move(frame));
  }
  return std::nullopt;
}

void Connections::tick() {
  for (const port::ConnectionId id : std::exchange(had_share_, {})) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    found->second.sent_since_tick = 0;
    look_at(id, found->second);
  }
}

RequestId Connections::begin(port::ConnectionId id, size_t bytes, port::Effects& effects) {
  const auto found = connections_.find(id);
  CHECK(found != connections_.end());
  Connection& connection = found->second;
  const uint64_t sequence = connection.first + connection.slots.size();
  connection.slots.push_back(Slot{.request_bytes = bytes});
  connection.unanswered_bytes += bytes;
  unanswered_bytes_ += bytes;
  look_at(id, connection);
  set_reading(id, connection, effects);
  return {id, sequence};
}

void Connections::answer(RequestId request, BufferChain bytes, port::Effects& effects) {
  const auto found = connections_.find(request.connection);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  CHECK(request.sequence >= connection.first);
  Slot& slot = connection.slots.at(request.sequence - connection.first);
  CHECK(!slot.answered);
  slot.answered = true;
  slot.answer = std::move(bytes);
  while (!connection.slots.empty() && connection.slots.front().answered) {
    Slot& ready = connection.slots.front();
    if (!ready.answer.empty()) {
      const bool had_less = connection.sent_since_tick < kAnswersPerTurn;
      connection.sent_since_tick += size_of(ready.answer);
      if (had_less && connection.sent_since_tick >= kAnswersPerTurn) {
        had_share_.push_back(request.connection);
      }
      effects.add(port::Send{request.connection, std::move(ready.answer)});
    }
    connection.unanswered_bytes -= ready.request_bytes;
    unanswered_bytes_ -= ready.request_bytes;
    connection.slots.pop_front();
    ++connection.first;
  }
  look_at(request.connection, connection);
  set_reading(request.connection, connection, effects);
}

void Connections::close(port::ConnectionId connection, port::Effects& effects) {
  effects.add(port::CloseConnection{connection, true});
}

void Connections::send_queue_changed(const port::SendQueueChanged& event, port::Effects& effects) {
  const auto found = connections_.find(event.connection);
  if (found == connections_.end()) return;
  found->second.peer_is_slow = event.above_high_water;
  look_at(event.connection, found->second);
  set_reading(event.connection, found->second, effects);
}

// Reading stops above a limit and goes on below half of it, so that it does not flap.
void Connections::set_reading(port::ConnectionId id, Connection& connection,
                              port::Effects& effects) {
  const uint64_t own = connection.unanswered_bytes;
  const uint64_t own_limit = limits_.unanswered_bytes_per_connection;
  // A connection with nothing unanswered may always send one request, whatever the others hold.
  const bool total_exceeded = unanswered_bytes_ > limits_.unanswered_bytes && own > 0;
  const bool own_exceeded = connection.reading ? own > own_limit : own > own_limit / 2;
  const bool reading = serving_ && !total_exceeded && !own_exceeded && !connection.peer_is_slow;
  if (reading == connection.reading) return;
  connection.reading = reading;
  effects.add(port::SetReading{id, reading});
}

}  // namespace magpie::kafka
