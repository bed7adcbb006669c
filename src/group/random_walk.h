// A small world of consumers that join, work, fall silent, come back and repeat themselves, around
// a coordinator whose appends are decided late, fail, and whose process crashes. Everything is
// drawn from one seed. After every event the promises of group_coordinator.h are checked; a broken
// one is reported through `broken()`.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "group/group_coordinator.h"

namespace magpie::group {

class RandomWalk {
 public:
  explicit RandomWalk(uint64_t seed);

  // Anything may happen.
  void wander(int events);
  // From now on everybody behaves and nothing fails: every consumer must become a working member.
  void heal();
  // Nobody says anything any more: everything that waits must be answered.
  void fall_silent();

  // The first broken promise; empty if all were kept.
  const std::string& broken() const { return broken_; }
  // Over all lives of the coordinator.
  uint64_t rebalances() const { return rebalances_ + coordinator_->statistics().rebalances; }

 private:
  enum class Phase { kOut, kJoining, kJoined, kSyncing, kWorking };

  struct Consumer {
    std::string name;
    std::string group_id;
    std::optional<std::string> instance_id;
    bool requires_member_id = true;
    bool is_slow = false;  // sends heartbeats, and commits, and is long in rejoining
    Phase phase = Phase::kOut;
    std::string member_id;
    int32_t generation = -1;
    std::string leader;
    std::vector<std::string> members;  // if it leads
    int subscription = 0;
    ReplyToken waiting;
  };

  // What a token stands for until it is answered.
  struct Asked {
    size_t consumer = SIZE_MAX;  // SIZE_MAX: an administrator
    std::string group_id;
    int32_t generation = -1;
    std::string member_id;
    std::optional<AppendId> append;  // of a commit
  };

  struct Undecided {
    Append append;
    std::vector<PositionCommit> commits;  // what the request asked for, if it was a commit
  };

  void random_event();
  void act(Consumer& consumer);
  void work(Consumer& consumer);
  void join(Consumer& consumer);
  void sync(Consumer& consumer);
  void commit(const std::string& group_id, const Consumer* consumer);
  void leave(Consumer& consumer);
  void vanish(Consumer& consumer);
  void administrate();
  void crash();

  template <typename Request>
  ReplyToken send(Request request, size_t consumer);
  void collect(std::vector<PositionCommit> commits);
  void settle_one();
  void fail_one();
  void advance(Duration by);

  void take_reply(const Reply& reply);
  void take(Consumer& consumer, const JoinGroupReply& reply);
  void take(Consumer& consumer, const SyncGroupReply& reply);
  void take_error(Consumer& consumer, GroupError error);

  void expect(bool holds, const std::string& promise);
  void check_everything();
  void check_group(const GroupDescription& group);
  void check_positions();
  void check_reload();
  void check_sync(const Asked& asked, const SyncGroupReply& reply);
  void check_commit(const Asked& asked, const OffsetCommitReply& reply);
  bool all_work() const;

  size_t index_of(const Consumer& consumer) const {
    return static_cast<size_t>(&consumer - consumers_.data());
  }

  Random random_;
  GroupConfig config_;
  std::unique_ptr<GroupCoordinator> coordinator_;
  Now now_{Instant{0}, WallTime{1'700'000'000'000}};
  Output out_;
  std::vector<Consumer> consumers_;
  uint64_t last_token_ = 0;
  std::map<ReplyToken, Asked> asked_;
  std::deque<Undecided> undecided_;
  std::set<AppendId> committed_;
  std::vector<Record> log_;
  std::map<std::string, std::map<TopicPartition, int64_t>> positions_;  // the naive twin
  int64_t next_offset_ = 1;
  uint64_t rebalances_ = 0;
  std::string broken_;
};

}  // namespace magpie::group
