#include "kafka/connections.h"

#include <utility>

#include "base/check.h"

namespace magpie::kafka {

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

RequestId Connections::begin(port::ConnectionId id, size_t bytes, port::Effects& effects) {
  const auto found = connections_.find(id);
  CHECK(found != connections_.end());
  Connection& connection = found->second;
  const uint64_t sequence = connection.first + connection.slots.size();
  connection.slots.push_back(Slot{.request_bytes = bytes});
  connection.unanswered_bytes += bytes;
  unanswered_bytes_ += bytes;
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
      effects.add(port::Send{request.connection, std::move(ready.answer)});
    }
    connection.unanswered_bytes -= ready.request_bytes;
    unanswered_bytes_ -= ready.request_bytes;
    connection.slots.pop_front();
    ++connection.first;
  }
  set_reading(request.connection, connection, effects);
}

void Connections::close(port::ConnectionId connection, port::Effects& effects) {
  effects.add(port::CloseConnection{connection, true});
}

void Connections::send_queue_changed(const port::SendQueueChanged& event, port::Effects& effects) {
  const auto found = connections_.find(event.connection);
  if (found == connections_.end()) return;
  found->second.peer_is_slow = event.above_high_water;
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
