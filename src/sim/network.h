// The simulated network between clients and nodes, and between nodes.
//
// Bytes of one direction keep their order and may be cut into pieces anywhere; each piece takes a
// while, and waits where the path is cut (paths.h). A connection can break at any moment: pieces on
// their way are lost, and each side learns of it in its own time. A slow client takes bytes so
// slowly that the node's answers pile up.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/knobs.h"
#include "sim/paths.h"
#include "sim/scene.h"
#include "wire/frame.h"

namespace magpie::sim {

// The client's end of a connection.
class ClientEnd {
 public:
  virtual ~ClientEnd() = default;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_closed() = 0;
};

struct NetworkAddress {
  std::string host;
  int32_t port = 0;

  auto operator<=>(const NetworkAddress&) const = default;
};

class Network {
 public:
  using Deliver = std::function<void(port::Event)>;
  using Machine = size_t;
  using Number = uint64_t;  // of a connection

  Network(Scene& scene, const Knobs& knobs)
      : scene_(scene), knobs_(knobs), random_(scene.random.fork()) {}

  Paths& paths() { return paths_; }
  const Paths& paths() const { return paths_; }

  // --- machines ---

  Machine add_machine(Place place);
  void set_deliver(Machine machine, Deliver deliver);
  // Where others reach the machine while it listens.
  void add_listener(Machine machine, NetworkAddress address, port::ListenerIndex listener);
  // A machine that stops listening has lost its ends of all connections.
  void set_listening(Machine machine, bool listening);
  // Clients are refused until it listens again; its connections stay.
  void stop_accepting(Machine machine) { machines_[machine].accepting = false; }

  // --- the client's side ---

  // A new connection, usable at once; nothing if nobody listens there. `end` must stay until it was
  // closed, by either side.
  std::optional<Number> connect(ClientEnd& end, Place from, const NetworkAddress& to);
  void send(Number connection, const BufferChain& bytes);
  // The client hears nothing more of it.
  void close(Number connection);

  // --- a node's side ---

  void carry_out(Machine machine, const port::Connect& effect);
  void carry_out(Machine machine, const port::Send& effect);
  void carry_out(Machine machine, const port::CloseConnection& effect);
  void carry_out(Machine machine, const port::SetReading& effect);

  // --- faults ---

  // Breaks one connection, if there is any.
  void cut_one();
  // Breaks all connections between two places.
  void cut_between(Place a, Place b);

 private:
  struct MachineState {
    Place place = 0;
    Deliver deliver;
    bool listening = false;
    bool accepting = false;
  };
  struct Listener {
    Machine machine = 0;
    port::ListenerIndex index;
  };
  struct Piece {
    enum class Kind { kBytes, kRequest, kAccept };  // the last two open a connection
    Instant when;
    Kind kind = Kind::kBytes;
    std::string bytes;
  };
  // One end, and the direction towards it.
  struct End {
    Place place = 0;
    ClientEnd* client = nullptr;  // null once the client knows that it is closed
    std::optional<Machine> machine;
    port::ConnectionId id;  // by which the machine knows it
    bool open = false;      // the machine was told that it is open, or waits to hear that
    bool reading = true;
    wire::FrameAssembler assembler;
    std::deque<Buffer> frames;  // arrived, not read
    std::deque<Piece> on_the_way;
    Instant last;          // when the newest of them arrives
    bool stalled = false;  // the path is cut; it is looked at again
    uint64_t queued = 0;   // sent by this end, not taken by the other
    bool above_high_water = false;
  };
  // The first end opened it.
  struct Connection {
    std::array<End, 2> ends;
    port::ListenerIndex listener;
    bool established = false;  // the answer to a node that opened it has arrived
    bool broken = false;       // nothing passes any more
    bool slow = false;
  };
  struct Found {
    Number number = 0;
    size_t end = 0;
    Connection* connection = nullptr;
  };

  Connection* find(Number number);
  // By the name that a machine gives it.
  Found find(Machine machine, port::ConnectionId id);
  Duration draw_delay(bool slow);
  Duration draw_delay(const Connection& connection, size_t to);
  Number open(Place from, const Listener& listener);
  void push(Number number, size_t to, const BufferChain& bytes);
  void push(Number number, size_t to, Piece piece);
  void arrive(Number number, size_t to);
  void stall(Number number, size_t to);
  void look_again(Number number, size_t to, Instant give_up);
  void take(Number number, size_t to, const Piece& piece);
  void take_request(Number number);
  void take_accept(Number number);
  void assemble(Number number, size_t to, std::string_view bytes);
  void read_frames(Number number, size_t to);
  void tell_queue(Number number, size_t end);
  void break_connection(Number number);
  void notice_break(Number number, size_t end, Instant latest);
  void tell_closed(Number number, size_t end);
  void close_client(Number number, size_t end);
  void close_node(Number number, size_t end, const char* reason);
  void forget_if_over(Number number);
  void deliver(Machine machine, port::Event event) { machines_[machine].deliver(std::move(event)); }

  Scene& scene_;
  const Knobs& knobs_;
  Random random_;
  Paths paths_;
  std::vector<MachineState> machines_;
  std::map<NetworkAddress, Listener> listeners_;
  Number next_number_ = 1;
  std::map<Number, Connection> connections_;
  std::map<std::pair<Machine, port::ConnectionId>, Number> own_;  // that machines opened
};

}  // namespace magpie::sim
