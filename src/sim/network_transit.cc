// How bytes travel over the simulated network.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "sim/network.h"

namespace magpie::sim {
namespace {

constexpr uint64_t kHighWater = 24 * 1024;
constexpr uint64_t kLowWater = 8 * 1024;

}  // namespace

Duration Network::draw_delay(bool slow) {
  const int64_t nanos = random_.between(10'000, knobs_.network_delay_max.nanos);
  return Duration::nanoseconds(slow && !scene_.healed ? nanos * 100 : nanos);
}

Duration Network::draw_delay(const Connection& connection, size_t to) {
  const Place from = connection.ends[1 - to].place;
  return draw_delay(connection.slow && to == 0) +
         (from == connection.ends[to].place ? Duration{}
                                            : paths_.distance(from, connection.ends[to].place));
}

// --- leaving -------------------------------------------------------------------------------------

void Network::push(Number number, size_t to, const BufferChain& bytes) {
  const Connection* connection = find(number);
  if (connection == nullptr || connection->broken) return;
  std::string rest(flatten(bytes).text());
  while (!rest.empty()) {
    const uint64_t length = random_.chance(1, 2) ? rest.size() : 1 + random_.below(rest.size());
    push(number, to, Piece{{}, Piece::Kind::kBytes, rest.substr(0, length)});
    rest.erase(0, length);
  }
}

void Network::push(Number number, size_t to, Piece piece) {
  Connection& connection = *find(number);
  End& end = connection.ends[to];
  end.last = std::max(end.last, scene_.now() + draw_delay(connection, to));
  piece.when = end.last;
  end.on_the_way.push_back(std::move(piece));
  scene_.queue.at(end.last, [this, number, to] { arrive(number, to); });
}

// --- arriving ------------------------------------------------------------------------------------

void Network::arrive(Number number, size_t to) {
  for (;;) {
    Connection* connection = find(number);
    if (connection == nullptr || connection->broken) return;
    End& end = connection->ends[to];
    if (end.stalled || end.on_the_way.empty()) return;
    if (end.on_the_way.front().when > scene_.now()) return;
    if (!paths_.is_open(connection->ends[1 - to].place, end.place)) return stall(number, to);
    const Piece piece = std::move(end.on_the_way.front());
    end.on_the_way.pop_front();
    take(number, to, piece);
  }
}

// The path is cut: sent again until it arrives, or until the sender gives up.
void Network::stall(Number number, size_t to) {
  find(number)->ends[to].stalled = true;
  scene_.probe("bytes_stalled");
  look_again(number, to, scene_.now() + Duration::seconds(random_.between(3, 60)));
}

void Network::look_again(Number number, size_t to, Instant give_up) {
  Connection* connection = find(number);
  if (connection == nullptr || connection->broken) return;
  End& end = connection->ends[to];
  if (paths_.is_open(connection->ends[1 - to].place, end.place)) {
    end.stalled = false;
    return arrive(number, to);
  }
  if (scene_.now() >= give_up) return break_connection(number);
  scene_.queue.after(Duration::milliseconds(random_.between(50, 300)),
                     [this, number, to, give_up] { look_again(number, to, give_up); });
}

void Network::take(Number number, size_t to, const Piece& piece) {
  if (piece.kind == Piece::Kind::kRequest) return take_request(number);
  if (piece.kind == Piece::Kind::kAccept) return take_accept(number);
  Connection& connection = *find(number);
  const size_t from = 1 - to;
  if (connection.ends[from].machine) {
    connection.ends[from].queued -= piece.bytes.size();
    tell_queue(number, from);
  }
  if (connection.ends[to].machine) return assemble(number, to, piece.bytes);
  if (connection.ends[to].client != nullptr) connection.ends[to].client->on_bytes(piece.bytes);
}

void Network::take_request(Number number) {
  Connection& connection = *find(number);
  End& end = connection.ends[1];
  if (!machines_[*end.machine].listening) {
    connection.broken = true;
    scene_.queue.after(draw_delay(connection, 0), [this, number] {
      if (find(number) != nullptr) tell_closed(number, 0);
    });
    return;
  }
  end.open = true;
  const bool from_node = connection.ends[0].machine.has_value();
  if (from_node) push(number, 0, Piece{{}, Piece::Kind::kAccept, {}});
  deliver(*end.machine, port::ConnectionOpened{end.id, connection.listener,
                                               from_node ? "node:1" : "client:1", ""});
}

void Network::take_accept(Number number) {
  find(number)->established = true;
  const End& end = find(number)->ends[0];
  if (!end.open) return;
  deliver(*end.machine, port::ConnectionOpened{end.id, port::ListenerIndex{0}, "node:1", ""});
}

void Network::assemble(Number number, size_t to, std::string_view rest) {
  End& end = find(number)->ends[to];
  if (!end.open) return;
  while (!rest.empty()) {
    const auto place = end.assembler.writable();
    const size_t count = std::min(place.size(), rest.size());
    std::memcpy(place.data(), rest.data(), count);
    end.assembler.commit(count);
    rest.remove_prefix(count);
    while (auto frame = end.assembler.next()) end.frames.push_back(*frame);
    CHECK(end.assembler.status().has_value());
  }
  read_frames(number, to);
}

void Network::read_frames(Number number, size_t to) {
  for (;;) {
    Connection* connection = find(number);
    if (connection == nullptr) return;
    End& end = connection->ends[to];
    if (!end.open || end.frames.empty()) return;
    if (!end.reading) return scene_.probe("node_stopped_reading");
    // The block of a frame may be shared with later frames of the connection; a fresh one shows
    // whether the node writes where it should not.
    Buffer frame = Buffer::copy_of(end.frames.front().bytes());
    end.frames.pop_front();
    deliver(*end.machine, port::FrameReceived{end.id, std::move(frame)});
  }
}

void Network::tell_queue(Number number, size_t at) {
  End& end = find(number)->ends[at];
  const bool above = end.above_high_water ? end.queued > kLowWater : end.queued > kHighWater;
  if (above == end.above_high_water || !end.open) return;
  end.above_high_water = above;
  if (above) scene_.probe("slow_reader");
  scene_.queue.at(scene_.now(), [this, number, at, queued = end.queued, above] {
    const Connection* late = find(number);
    if (late == nullptr || !late->ends[at].open) return;
    const End& teller = late->ends[at];
    deliver(*teller.machine, port::SendQueueChanged{teller.id, queued, above});
  });
}

}  // namespace magpie::sim
