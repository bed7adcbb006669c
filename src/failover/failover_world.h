// A small cluster in which operations are carried out, for tests: nodes with their own, late copies
// of the cluster's state, a store that commits one transaction at a time, leaders that do what
// leaders do, and clients that write. Everything is drawn from one seed.
//
// What is checked after every commit: a group's leadership moves in the transaction that says so in
// the record; a leader promoted without loss holds everything that was acknowledged; a statement of
// loss is true.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "control/decide_operations.h"
#include "failover/operations.h"

namespace magpie::failover::testing {

class World {
 public:
  // Regions r1 to r3 with nodes 1 to 3, and a witness `w`. Groups `pay` (one copy) and `logs`
  // (none), led by node 1, with one partition each.
  explicit World(uint64_t seed);
  ~World();

  // Lets everything that is under way go on, in random order, until `time` from now.
  void run(Duration time);
  // Until every operation is over, at most for that time.
  bool run_until_over(Duration time);

  // Begins an operation at a node; the refusal if it is refused.
  std::string begin(int32_t node, const control::OperationRequest& request);
  void abandon(control::OperationId id);

  // A process that has stopped loses its lease after a while; what it was doing may be done still.
  void crash(int32_t node);
  void restart(int32_t node);
  bool is_up(int32_t node) const { return nodes_.at(NodeId{node}).machine != nullptr; }

  const control::State& state() const { return truth_; }
  const control::OperationGroup& group(control::OperationId id, const std::string& name) const;
  // How often a leadership has moved from one node to another.
  int moves(const std::string& group) const;
  size_t commits() const { return history_.size(); }
  int64_t acknowledged(const std::string& group) const { return copies_.at(group).acknowledged; }
  int64_t held(int32_t node, const std::string& group) const;

  // Leaders never say that a target has everything.
  bool never_drained = false;
  // Leaders that are back begin a new epoch.
  bool renews = false;
  // New leaders do not open their epoch.
  bool never_open = false;
  // This node does not answer.
  std::optional<int32_t> silent;
  // This one does not say what it holds.
  std::optional<int32_t> says_nothing_of_its_logs;
  // Added to the high watermark that the node says it knows.
  std::map<int32_t, int64_t> exaggerates;
  // Called after every commit, before anything else happens.
  std::function<void()> after_commit;

  Random random;
  Now now{Instant{1'000'000'000}, WallTime{1'000'000'000}};
  Config config;
  std::vector<port::LogLine> lines;

 private:
  struct Pending {
    uint64_t life = 0;
    Proposal proposal;
  };
  struct Asked {
    uint64_t life = 0;
    Question question;
    Instant due;
  };
  struct SimNode {
    control::Member member;
    std::string region;
    std::unique_ptr<Operations> machine;
    uint64_t life = 0;  // how often it was started
    control::State view;
    std::deque<Pending> proposals;
    std::vector<Asked> questions;
    std::optional<Instant> lease_ends;  // of one that is down
    std::map<std::string, LeaderEpoch> accepted;
    std::map<std::string, int64_t> ends;
  };
  struct Copies {
    int64_t acknowledged = 0;
    int64_t ceiling = 0;
  };

  void act();
  void catch_up(SimNode& node, control::Revision revision);
  void deliver(SimNode& node, const Event& event);
  void take(SimNode& node, Output& out);
  void carry_out(SimNode& node);
  void answer(SimNode& node);
  Answer answer_of(const Question& question);
  void lead(const std::string& group);
  void write(const std::string& group);
  void follow(const std::string& group);
  template <typename Answer>
  bool commit(const control::Decided<Answer>& decided);
  void commit(const control::Transaction& transaction);
  void check_moves(const control::State& before);
  void check_loss(const control::OperationGroup& record);

  control::State truth_;
  std::vector<std::vector<control::Change>> history_;
  std::map<NodeId, SimNode> nodes_;
  std::map<std::string, Copies> copies_;
  std::map<std::string, int> moves_;
  bool settled_ = false;  // the groups are led; checks begin
};

}  // namespace magpie::failover::testing
