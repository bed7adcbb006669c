// Runs one whole node in memory, in one thread and under a clock that tests move; for tests.
//
// The handlers of src/kafka are tested through it too, because what they answer is decided by the
// machines the node brings together, and a test that fakes those proves little. Every test starts
// a node of its own, which takes about a millisecond.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/node.h"
#include "node/testing/memory_disk.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::node::testing {

// What came back on one connection.
struct ConnectionState {
  std::string received;  // bytes the client has not looked at yet
  bool open = true;
  bool reading = true;  // the node takes requests
};

class NodeHarness {
 public:
  // One listener, no delay before the first rebalance, topics are created on first use.
  NodeHarness();

  // Change before boot().
  NodeConfig config;
  MemoryDisk disk;
  std::vector<port::LogLine> lines;
  bool listening = true;  // the node takes new connections

  // Starts the node and runs it until it serves or fails.
  void boot();
  // Starts the node and holds on as soon as the condition is met; settle() goes on.
  void boot_until(const std::function<bool()>& condition);
  void boot_until_serving();
  // SIGTERM, and what the node makes of it at once.
  void request_stop();
  // SIGTERM, until the node has stopped.
  void stop();
  // The process ends at once; the disk keeps what it has, connections are gone.
  void crash();
  Node& node() { return *node_; }
  Phase phase() const { return node_->phase(); }

  // Lets the node do everything it can do without time passing.
  void settle();
  // Moves both clocks on, with everything that is due meanwhile.
  void advance(Duration duration);
  // Jumps to whatever is due next, at most `longest` away. False if nothing is.
  bool advance_to_next(Duration longest);
  Now now() const { return now_; }
  // People or NTP set the wall clock.
  void set_wall_clock(WallTime wall) { now_.wall = wall; }

  port::ConnectionId connect(port::ListenerIndex listener = {0});
  void disconnect(port::ConnectionId connection);
  // One frame without its size prefix, and what the node makes of it at once.
  void send(port::ConnectionId connection, Buffer frame);
  ConnectionState& connection(port::ConnectionId id) { return connections_.at(id); }

  // The answer of the admin port.
  port::HttpRespond http(const std::string& method, const std::string& target,
                         const std::string& body = "");

  // The same for an answer that takes its time: what take_http() returns once it is there.
  port::HttpExchangeId begin_http(const std::string& method, const std::string& target,
                                  const std::string& body = "");
  std::optional<port::HttpRespond> take_http(port::HttpExchangeId exchange);

  // Something from outside happens now, and what the node makes of it at once.
  void deliver(port::Event event) { step(std::move(event)); }
  // Moves both clocks to a moment that is not past; what is due is done by settle().
  void set_now(const Now& now) { now_ = now; }
  // False while the process is down.
  bool is_up() const { return node_ != nullptr; }
  // Takes an effect that is for the world outside; true if it did. Set by whoever connects several
  // nodes.
  std::function<bool(port::Effect&)> outside;

  // Whether a line with this code was logged since the test began.
  bool has_logged(const std::string& code) const;

 private:
  void start_node();
  // One thing the node can do without time passing; false if there is none.
  bool turn();
  void step(port::Event event);
  void carry_out();
  void carry_out(port::Effect& effect);

  std::unique_ptr<Node> node_;
  port::Effects effects_;
  Now now_;
  uint64_t boots_ = 0;  // with the node id, the seed: no two nodes choose the same ids
  uint64_t next_connection_ = 1;
  std::map<port::ConnectionId, ConnectionState> connections_;
  uint64_t next_exchange_ = 1;
  std::map<port::HttpExchangeId, port::HttpRespond> http_answers_;
};

}  // namespace magpie::node::testing
