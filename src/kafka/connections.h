// Client connections and the order of their answers.
//
// Kafka answers the requests of one connection in the order they came. Here several may be worked
// on at once (a produce waiting for its fsync does not hold up the next), so finished answers wait
// until all earlier ones left. Bytes of unanswered requests are counted per connection and in all;
// beyond the limit the node stops reading from a connection until half of it is answered, so a
// client that sends faster than the disk takes is slowed down instead of filling the memory.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/buffer.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::kafka {

// One request of one connection: the n-th that arrived on it.
struct RequestId {
  port::ConnectionId connection;
  uint64_t sequence = 0;
};

struct ConnectionLimits {
  uint64_t unanswered_bytes_per_connection = 128ull * 1024 * 1024;
  uint64_t unanswered_bytes = 1024ull * 1024 * 1024;
};

class Connections {
 public:
  struct Info {
    port::ListenerIndex listener;
    std::string peer;
  };

  // Not serving until told.
  explicit Connections(ConnectionLimits limits) : limits_(limits) {}

  void opened(const port::ConnectionOpened& event, port::Effects& effects);
  void closed(port::ConnectionId connection);

  // Whether requests are taken at all. While the node starts or stops they wait in the sockets.
  void set_serving(bool serving, port::Effects& effects);

  // Nothing if the connection is unknown (its close was already reported).
  const Info* find(port::ConnectionId connection) const;

  // Counts a request in. REQUIRES: the connection is open.
  RequestId begin(port::ConnectionId connection, size_t bytes, port::Effects& effects);

  // Hands over the answer, which is sent once all earlier ones are. Ignored if the connection has
  // closed meanwhile. Called once per request.
  void answer(RequestId request, BufferChain bytes, port::Effects& effects);

  // The request has no answer (Produce with acks=0).
  void skip(RequestId request, port::Effects& effects) { answer(request, {}, effects); }

  // Drops the connection, for bytes that cannot be Kafka requests.
  void close(port::ConnectionId connection, port::Effects& effects);

  // The driver reports how much of our answers the peer has not taken yet.
  void send_queue_changed(const port::SendQueueChanged& event, port::Effects& effects);

  size_t size() const { return connections_.size(); }
  uint64_t unanswered_bytes() const { return unanswered_bytes_; }

 private:
  struct Slot {
    size_t request_bytes = 0;
    bool answered = false;
    BufferChain answer;
  };
  struct Connection {
    Info info;
    uint64_t first = 0;  // sequence of slots.front()
    std::deque<Slot> slots;
    uint64_t unanswered_bytes = 0;
    bool peer_is_slow = false;
    bool reading = true;
  };

  void set_reading(port::ConnectionId id, Connection& connection, port::Effects& effects);

  ConnectionLimits limits_;
  std::map<port::ConnectionId, Connection> connections_;
  uint64_t unanswered_bytes_ = 0;
  bool serving_ = false;
};

}  // namespace magpie::kafka
