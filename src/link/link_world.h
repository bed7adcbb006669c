// Two nodes and the link between them, for tests: each hosts a copy of a few partitions on memory
// engines whose durability the test controls; frames travel when the test lets them, in order, and
// a cut loses what is on its way.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/memory_engine.h"
#include "link/receiver.h"
#include "link/sender.h"

namespace magpie::link {

inline constexpr Route kPartitions = 3;
inline constexpr Uuid kTopic = {1, 2};

// One node's copies. Route r is partition r - 1 of topic kTopic.
class WorldNode final : public Copies {
 public:
  explicit WorldNode(int32_t id);
  ~WorldNode() override;

  std::optional<Route> find(const Uuid& topic, PartitionIndex index) const override;
  partition::Partition* at(Route route) override;
  Condition condition(Route route) const override;
  void call(Route route, port::Effects& effects, const Action& action) override;

  NodeId id() const { return identity.node; }
  void lead(int32_t epoch, const std::vector<NodeId>& required);
  void follow(int32_t epoch, NodeId leader);
  // Of one partition, without members that are required.
  void begin_epoch(Route route, int32_t epoch);
  void follow_epoch(Route route, int32_t epoch);
  // `records` of at least `bytes` each, in one batch.
  void append(Route route, uint64_t ticket, size_t bytes = 0, int records = 1);
  // As a client deletes records.
  void trim(Route route, int64_t start);
  // Loses what is not durable, and every role.
  void crash();
  void hold(Route route);
  // Also finishes the oldest read.
  void settle(Route route);
  // The disk refuses; a second later tick() opens it again.
  void fail_writes(Route route);
  void tick();
  // From now on a read of this partition takes as long, and then finds damage.
  void damage(Route route);
  // From now on a read of this partition takes until settle().
  void read_from_disk(Route route);
  // Hands what partitions said to sender and receiver, exports tails, flushes.
  void turn();

  LinkIdentity identity;
  Now now;
  port::Effects effects;
  Receiver receiver{*this};
  std::unique_ptr<Session> session;
  std::unique_ptr<Sender> sender;
  std::vector<std::pair<Route, partition::Settled>> settled;
  std::vector<Route> damaged;             // as partitions said
  std::vector<Route> unreadable;          // copies that may be put away
  std::map<Route, Condition> conditions;  // if not well
  uint64_t records_exported = 0;
  int64_t records_skipped = 0;  // of copies that began anew
  // Of the group of a partition, which is then one of its own.
  std::map<Route, int32_t> priorities;
  bool holds_exports = false;  // the test calls tail_exported()

 private:
  struct Hosted;
  void open(Route route, engine::OpenMode mode);
  void hear(Route route, const partition::Event& event);

  std::vector<std::unique_ptr<Hosted>> hosted_;
  std::deque<std::pair<Route, partition::Event>> events_;
};

class LinkWorld {
 public:
  LinkWorld() { connect(); }

  // A new connection from `two` to `one`, and hellos.
  void connect();
  void cut();
  // Delivers one frame in one of the directions; false if none is on its way.
  bool deliver(bool to_one);
  // Turns and deliveries until nothing happens any more.
  void settle();
  void turn();
  void advance(Duration time);

  WorldNode one{1};
  WorldNode two{2};

 private:
  void collect();

  std::deque<Buffer> to_one_;
  std::deque<Buffer> to_two_;
  bool connected_ = false;
};

// Both have the same records, and take the same for committed.
void expect_equal(LinkWorld& world);

}  // namespace magpie::link
