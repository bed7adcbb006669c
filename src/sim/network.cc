#include "sim/network.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "base/check.h"

namespace magpie::sim {
namespace {

constexpr uint64_t kHighWater = 64 * 1024;
constexpr uint64_t kLowWater = 16 * 1024;

}  // namespace

Network::Connection* Network::find(port::ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : &found->second;
}

Duration Network::draw_delay(bool slow) {
  const int64_t nanos = random_.between(10'000, knobs_.network_delay_max.nanos);
  return Duration::nanoseconds(slow && !scene_.healed ? nanos * 100 : nanos);
}

// --- the client's side ---------------------------------------------------------------------------

std::optional<port::ConnectionId> Network::connect(ClientEnd& end) {
  if (!listening_) return std::nullopt;
  const port::ConnectionId id{next_id_++};
  Connection& connection = connections_[id];
  connection.client = &end;
  connection.slow = knobs_.slow_readers && random_.chance(1, 3);
  connection.last_to_node = scene_.now() + draw_delay(false);
  scene_.queue.at(connection.last_to_node, [this, id, boot = boot_] {
    if (boot != boot_ || find(id) == nullptr) return;
    deliver_(port::ConnectionOpened{id, port::ListenerIndex{0}, "client:1"});
  });
  return id;
}

void Network::send(port::ConnectionId id, const BufferChain& bytes) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->broken) return;
  std::string rest(flatten(bytes).text());
  while (!rest.empty()) {
    const uint64_t length = random_.chance(1, 2) ? rest.size() : 1 + random_.below(rest.size());
    std::string piece = rest.substr(0, length);
    rest.erase(0, length);
    connection->last_to_node = std::max(connection->last_to_node, scene_.now() + draw_delay(false));
    scene_.queue.at(connection->last_to_node, [this, id, boot = boot_, piece = std::move(piece)] {
      if (boot == boot_) arrive_at_node(id, piece);
    });
  }
}

void Network::close(port::ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  connection->client = nullptr;
  break_connection(id);
}

// --- towards the node ----------------------------------------------------------------------------

void Network::arrive_at_node(port::ConnectionId id, const std::string& piece) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->broken || !connection->node_open) return;
  std::string_view rest = piece;
  while (!rest.empty()) {
    const auto place = connection->assembler.writable();
    const size_t count = std::min(place.size(), rest.size());
    std::memcpy(place.data(), rest.data(), count);
    connection->assembler.commit(count);
    rest.remove_prefix(count);
    while (auto frame = connection->assembler.next()) connection->frames.push_back(*frame);
    CHECK(connection->assembler.status().has_value());
  }
  read_frames(id);
}

void Network::read_frames(port::ConnectionId id) {
  for (;;) {
    Connection* connection = find(id);
    if (connection == nullptr || !connection->node_open || connection->frames.empty()) return;
    if (!connection->reading) return scene_.probe("node_stopped_reading");
    Buffer frame = std::move(connection->frames.front());
    connection->frames.pop_front();
    // The block of a frame may be shared with later frames of the connection; a fresh one shows
    // whether the node writes where it should not.
    deliver_(port::FrameReceived{id, Buffer::copy_of(frame.bytes())});
  }
}

// --- the node's side -----------------------------------------------------------------------------

void Network::set_listening(bool listening) {
  if (listening_ == listening) return;
  listening_ = listening;
  ++boot_;
  if (listening) return;
  // The process is gone: its ends of all connections are, too.
  std::vector<port::ConnectionId> ids;
  for (auto& [id, connection] : connections_) ids.push_back(id);
  for (const port::ConnectionId id : ids) {
    find(id)->node_open = false;
    break_connection(id);
  }
}

void Network::carry_out(const port::Send& effect) {
  Connection* connection = find(effect.connection);
  if (connection == nullptr || connection->broken) return;
  std::string rest(flatten(effect.bytes).text());
  connection->queued += rest.size();
  while (!rest.empty()) {
    const uint64_t length = random_.chance(1, 2) ? rest.size() : 1 + random_.below(rest.size());
    std::string piece = rest.substr(0, length);
    rest.erase(0, length);
    connection->last_to_client =
        std::max(connection->last_to_client, scene_.now() + draw_delay(connection->slow));
    scene_.queue.at(
        connection->last_to_client,
        [this, id = effect.connection, piece = std::move(piece)] { arrive_at_client(id, piece); });
  }
  tell_queue(effect.connection, *connection);
}

void Network::arrive_at_client(port::ConnectionId id, const std::string& piece) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->broken) return;
  connection->queued -= piece.size();
  tell_queue(id, *connection);
  if (connection->client != nullptr) connection->client->on_bytes(piece);
}

void Network::tell_queue(port::ConnectionId id, Connection& connection) {
  const bool above =
      connection.above_high_water ? connection.queued > kLowWater : connection.queued > kHighWater;
  if (above == connection.above_high_water || !connection.node_open) return;
  connection.above_high_water = above;
  if (above) scene_.probe("slow_reader");
  scene_.queue.at(scene_.now(), [this, id, boot = boot_, queued = connection.queued, above] {
    const Connection* late = find(id);
    if (boot != boot_ || late == nullptr || !late->node_open) return;
    deliver_(port::SendQueueChanged{id, queued, above});
  });
}

void Network::carry_out(const port::CloseConnection& effect) {
  Connection* connection = find(effect.connection);
  if (connection == nullptr) return;
  const Instant when = effect.flush ? connection->last_to_client : scene_.now();
  scene_.queue.at(when, [this, id = effect.connection] { break_connection(id); });
}

void Network::carry_out(const port::SetReading& effect) {
  Connection* connection = find(effect.connection);
  if (connection == nullptr) return;
  connection->reading = effect.enabled;
  if (!effect.enabled) return;
  scene_.queue.at(scene_.now(), [this, id = effect.connection, boot = boot_] {
    if (boot == boot_) read_frames(id);
  });
}

// --- the end of a connection ---------------------------------------------------------------------

void Network::cut_one() {
  std::vector<port::ConnectionId> whole;
  for (const auto& [id, connection] : connections_) {
    if (!connection.broken) whole.push_back(id);
  }
  if (whole.empty()) return;
  scene_.probe("connection_cut");
  break_connection(whole[random_.below(whole.size())]);
}

void Network::break_connection(port::ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  if (!connection->broken) {
    connection->broken = true;
    // Half of the breaks are noticed late.
    const auto notice = [this] {
      const Duration late = Duration::milliseconds(random_.between(1, 2'000));
      return random_.chance(1, 2) ? draw_delay(false) : late;
    };
    scene_.queue.after(notice(), [this, id] { close_client(id); });
    scene_.queue.after(notice(), [this, id, boot = boot_] {
      if (boot == boot_) close_node(id, "broken");
    });
  }
  forget_if_over(id);
}

void Network::close_client(port::ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  ClientEnd* client = std::exchange(connection->client, nullptr);
  forget_if_over(id);
  if (client != nullptr) client->on_closed();
}

void Network::close_node(port::ConnectionId id, const char* reason) {
  Connection* connection = find(id);
  if (connection == nullptr || !connection->node_open) return;
  connection->node_open = false;
  forget_if_over(id);
  deliver_(port::ConnectionClosed{id, reason});
}

void Network::forget_if_over(port::ConnectionId id) {
  const Connection* connection = find(id);
  if (connection->client == nullptr && !connection->node_open) connections_.erase(id);
}

}  // namespace magpie::sim
