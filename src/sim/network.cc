#include "sim/network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::sim {
namespace {

// A connection that a node opens and nobody answers.
constexpr Duration kOpenTimeout = Duration::seconds(10);

}  // namespace

Network::Connection* Network::find(Number number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second;
}

Network::Found Network::find(Machine machine, port::ConnectionId id) {
  Found found{id.value, 1, nullptr};
  if ((id.value & port::kOwnConnectionBit) != 0) {
    const auto own = own_.find({machine, id});
    if (own == own_.end()) return found;
    found.number = own->second;
    found.end = 0;
  }
  found.connection = find(found.number);
  return found;
}

// --- machines ------------------------------------------------------------------------------------

Network::Machine Network::add_machine(Place place) {
  machines_.push_back({place, {}, false});
  return machines_.size() - 1;
}

void Network::set_deliver(Machine machine, Deliver deliver) {
  machines_[machine].deliver = std::move(deliver);
}

void Network::add_listener(Machine machine, NetworkAddress address, port::ListenerIndex listener) {
  const bool fresh = listeners_.emplace(std::move(address), Listener{machine, listener}).second;
  CHECK(fresh);
}

void Network::set_listening(Machine machine, bool listening) {
  MachineState& state = machines_[machine];
  if (state.listening == listening) return;
  state.listening = state.accepting = listening;
  if (listening) return;
  // The process is gone: its ends of all connections are, too. The next one counts anew.
  std::erase_if(own_, [&](const auto& entry) { return entry.first.first == machine; });
  std::vector<Number> numbers;
  for (auto& [number, connection] : connections_) {
    bool touched = false;
    for (End& end : connection.ends) {
      if (end.machine != machine) continue;
      end.open = false;
      touched = true;
    }
    if (touched) numbers.push_back(number);
  }
  for (const Number number : numbers) break_connection(number);
}

// --- the client's side ---------------------------------------------------------------------------

Network::Number Network::open(Place from, const Listener& listener) {
  const Number number = next_number_++;
  Connection& connection = connections_[number];
  connection.listener = listener.index;
  connection.ends[0].place = from;
  connection.ends[1].place = machines_[listener.machine].place;
  connection.ends[1].machine = listener.machine;
  connection.ends[1].id = port::ConnectionId{number};
  return number;
}

std::optional<Network::Number> Network::connect(ClientEnd& end, Place from,
                                                const NetworkAddress& to) {
  const auto listener = listeners_.find(to);
  if (listener == listeners_.end() || !machines_[listener->second.machine].accepting) {
    return std::nullopt;
  }
  const Number number = open(from, listener->second);
  Connection& connection = connections_[number];
  connection.ends[0].client = &end;
  connection.slow = knobs_.slow_readers && random_.chance(1, 3);
  push(number, 1, Piece{{}, Piece::Kind::kRequest, {}});
  return number;
}

void Network::send(Number number, const BufferChain& bytes) {
  push(number, 1, bytes);
}

void Network::close(Number number) {
  Connection* connection = find(number);
  if (connection == nullptr) return;
  connection->ends[0].client = nullptr;
  break_connection(number);
}

// --- a node's side -------------------------------------------------------------------------------

void Network::carry_out(Machine machine, const port::Connect& effect) {
  const auto listener = listeners_.find({effect.host, effect.port});
  if (listener == listeners_.end()) {
    scene_.queue.after(draw_delay(false), [this, machine, id = effect.connection] {
      if (machines_[machine].listening)
        deliver(machine, port::ConnectionClosed{id, "no such host"});
    });
    return;
  }
  const Number number = open(machines_[machine].place, listener->second);
  End& end = connections_[number].ends[0];
  end.machine = machine;
  end.id = effect.connection;
  end.open = true;
  const bool fresh = own_.emplace(std::pair{machine, effect.connection}, number).second;
  CHECK(fresh);
  push(number, 1, Piece{{}, Piece::Kind::kRequest, {}});
  scene_.queue.after(kOpenTimeout, [this, number] {
    Connection* late = find(number);
    if (late == nullptr || late->broken || late->established) return;
    scene_.probe("connect_timed_out");
    break_connection(number);
    if (find(number) != nullptr) close_node(number, 0, "connection timed out");
  });
}

void Network::carry_out(Machine machine, const port::Send& effect) {
  const Found found = find(machine, effect.connection);
  if (found.connection == nullptr || found.connection->broken) return;
  found.connection->ends[found.end].queued += size_of(effect.bytes);
  push(found.number, 1 - found.end, effect.bytes);
  tell_queue(found.number, found.end);
}

void Network::carry_out(Machine machine, const port::CloseConnection& effect) {
  const Found found = find(machine, effect.connection);
  if (found.connection == nullptr) return;
  const Instant sent = found.connection->ends[1 - found.end].last;
  scene_.queue.at(effect.flush ? sent : scene_.now(),
                  [this, number = found.number] { break_connection(number); });
}

void Network::carry_out(Machine machine, const port::SetReading& effect) {
  const Found found = find(machine, effect.connection);
  if (found.connection == nullptr) return;
  found.connection->ends[found.end].reading = effect.enabled;
  if (!effect.enabled) return;
  scene_.queue.at(scene_.now(),
                  [this, number = found.number, end = found.end] { read_frames(number, end); });
}

// --- the end of a connection ---------------------------------------------------------------------

void Network::cut_one() {
  std::vector<Number> whole;
  for (const auto& [number, connection] : connections_) {
    if (!connection.broken) whole.push_back(number);
  }
  if (whole.empty()) return;
  scene_.probe("connection_cut");
  break_connection(whole[random_.below(whole.size())]);
}

void Network::cut_between(Place a, Place b) {
  std::vector<Number> crossing;
  for (const auto& [number, connection] : connections_) {
    const Place from = connection.ends[0].place;
    const Place to = connection.ends[1].place;
    if (!connection.broken && std::minmax(from, to) == std::minmax(a, b)) {
      crossing.push_back(number);
    }
  }
  for (const Number number : crossing) break_connection(number);
}

void Network::break_connection(Number number) {
  Connection* connection = find(number);
  if (connection == nullptr) return;
  if (!connection->broken) {
    connection->broken = true;
    for (const size_t end : {size_t{0}, size_t{1}}) {
      // Half of the breaks are noticed late.
      const Duration late = Duration::milliseconds(random_.between(1, 2'000));
      const Duration notice = random_.chance(1, 2) ? draw_delay(*connection, end) : late;
      const Instant latest = scene_.now() + Duration::seconds(random_.between(2, 30));
      scene_.queue.after(notice,
                         [this, number, end, latest] { notice_break(number, end, latest); });
    }
  }
  forget_if_over(number);
}

// What tells an end of the break has to arrive, too; or it gives up by itself.
void Network::notice_break(Number number, size_t end, Instant latest) {
  const Connection* connection = find(number);
  if (connection == nullptr) return;
  const bool arrives = paths_.is_open(connection->ends[1 - end].place, connection->ends[end].place);
  if (arrives || scene_.now() >= latest) return tell_closed(number, end);
  scene_.queue.after(Duration::milliseconds(random_.between(100, 400)),
                     [this, number, end, latest] { notice_break(number, end, latest); });
}

void Network::tell_closed(Number number, size_t end) {
  if (find(number)->ends[end].machine) {
    close_node(number, end, "broken");
  } else {
    close_client(number, end);
  }
}

void Network::close_client(Number number, size_t end) {
  ClientEnd* client = std::exchange(find(number)->ends[end].client, nullptr);
  forget_if_over(number);
  if (client != nullptr) client->on_closed();
}

void Network::close_node(Number number, size_t at, const char* reason) {
  End& end = find(number)->ends[at];
  if (!end.open) return forget_if_over(number);
  end.open = false;
  const Machine machine = *end.machine;
  const port::ConnectionId id = end.id;
  forget_if_over(number);
  deliver(machine, port::ConnectionClosed{id, reason});
}

void Network::forget_if_over(Number number) {
  const Connection* connection = find(number);
  if (connection == nullptr || !connection->broken) return;
  for (const End& end : connection->ends) {
    if (end.client != nullptr || end.open) return;
  }
  const End& opener = connection->ends[0];
  if (opener.machine) {
    const auto own = own_.find({*opener.machine, opener.id});
    if (own != own_.end() && own->second == number) own_.erase(own);
  }
  connections_.erase(number);
}

}  // namespace magpie::sim
