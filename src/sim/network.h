// The simulated network between clients and the node.
//
// Bytes of one direction keep their order and may be cut into pieces anywhere; each piece takes a
// while. A connection can break at any moment: pieces on their way are lost, and each side learns
// of it in its own time. A slow client takes bytes so slowly that the node's answers pile up.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/random.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/knobs.h"
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

class Network {
 public:
  using Deliver = std::function<void(port::Event)>;

  Network(Scene& scene, const Knobs& knobs)
      : scene_(scene), knobs_(knobs), random_(scene.random.fork()) {}

  void set_deliver(Deliver deliver) { deliver_ = std::move(deliver); }

  // --- the client's side ---

  // A new connection, usable at once; nothing if nobody listens. `end` must stay until it was
  // closed, by either side.
  std::optional<port::ConnectionId> connect(ClientEnd& end);
  void send(port::ConnectionId connection, const BufferChain& bytes);
  // The client hears nothing more of it.
  void close(port::ConnectionId connection);

  // --- the node's side ---

  void set_listening(bool listening);
  void carry_out(const port::Send& effect);
  void carry_out(const port::CloseConnection& effect);
  void carry_out(const port::SetReading& effect);

  // --- faults ---

  // Breaks one connection, if there is any.
  void cut_one();

 private:
  struct Connection {
    ClientEnd* client = nullptr;  // null once the client knows that it is closed
    bool node_open = true;        // the node was not told yet that it is closed
    bool broken = false;          // nothing passes any more
    bool slow = false;
    bool reading = true;
    wire::FrameAssembler assembler;
    std::deque<Buffer> frames;  // arrived, not read
    Instant last_to_node;
    Instant last_to_client;
    uint64_t queued = 0;  // sent by the node, not taken by the client
    bool above_high_water = false;
  };

  Connection* find(port::ConnectionId id);
  Duration draw_delay(bool slow);
  void arrive_at_node(port::ConnectionId id, const std::string& piece);
  void read_frames(port::ConnectionId id);
  void arrive_at_client(port::ConnectionId id, const std::string& piece);
  void tell_queue(port::ConnectionId id, Connection& connection);
  void break_connection(port::ConnectionId id);
  void close_client(port::ConnectionId id);
  void close_node(port::ConnectionId id, const char* reason);
  void forget_if_over(port::ConnectionId id);

  Scene& scene_;
  const Knobs& knobs_;
  Random random_;
  Deliver deliver_;
  bool listening_ = false;
  uint64_t boot_ = 0;
  uint64_t next_id_ = 1;
  std::map<port::ConnectionId, Connection> connections_;
};

}  // namespace magpie::sim
