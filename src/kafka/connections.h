// Client connections and the order of their answers.
//
// Kafka answers the requests of one connection in the order they came. Here several may be worked
// on at once (a produce waiting for its fsync does not hold up the next), so finished answers wait
// until all earlier ones left. Bytes of unanswered requests are counted per connection and in all;
// beyond the limit the node stops reading from a connection until half of it is answered, so a
// client that sends faster than the disk takes is slowed down instead of filling the memory.
//
// Answers that wait take memory too, and a few bytes of request may ask for megabytes. So only
// Produce requests are worked on side by side; any other begins when everything before it on its
// connection is answered, when the peer takes what it was sent, and while its share of a turn is
// not used up (kAnswersPerTurn).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

// Bytes of answers to one connection after which it waits for a tick: the others have their turn,
// and the driver can say whether the peer takes them.
inline constexpr uint64_t kAnswersPerTurn = 4 * 1024 * 1024;

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

  // A request came in. Counted as unanswered from now on; it comes out of next_frame() when its
  // turn has come. REQUIRES: the connection is open.
  void receive(port::ConnectionId connection, Buffer frame, port::Effects& effects);

  // A request to begin now, in the order of its connection.
  std::optional<std::pair<port::ConnectionId, Buffer>> next_frame();

  // True if some connection has had its share; tick() gives it the next one.
  bool wants_tick() const { return !had_share_.empty(); }
  void tick();

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
    std::deque<Buffer> waiting;    // requests that have not begun
    uint64_t sent_since_tick = 0;  // bytes of answers
    bool peer_is_slow = false;
    bool reading = true;
    bool is_candidate = false;  // named in candidates_
  };

  static bool may_begin(const Connection& connection, const Buffer& frame);
  void look_at(port::ConnectionId id, Connection& connection);
  void set_reading(port::ConnectionId id, Connection& connection, port::Effects& effects);

  ConnectionLimits limits_;
  std::map<port::ConnectionId, Connection> connections_;
  uint64_t unanswered_bytes_ = 0;
  bool serving_ = false;
  std::deque<port::ConnectionId> candidates_;  // whose first waiting request may begin
  std::vector<port::ConnectionId> had_share_;
};

}  // namespace magpie::kafka
