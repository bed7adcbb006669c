// A coordinator on a bench, for tests: a clock that is turned by hand, an internal topic that is a
// list of records, and replies kept by token.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "group/group_coordinator.h"

namespace magpie::group {

class TestBench {
 public:
  explicit TestBench(GroupConfig config = {}, uint64_t seed = 7);

  // --- requests --------------------------------------------------------------------------------

  // Gives the request a token and delivers it; appends are settled unless `holds_appends`.
  template <typename Request>
  ReplyToken send(Request request) {
    request.token = ReplyToken{++last_token_};
    deliver(Event(std::move(request)));
    return ReplyToken{last_token_};
  }
  void deliver(const Event& event);

  bool is_answered(ReplyToken token) const { return replies_.count(token) != 0; }
  template <typename Body>
  const Body& reply(ReplyToken token) const {
    CHECK(is_answered(token));
    return std::get<Body>(replies_.at(token).body);
  }
  // Sends and expects the answer at once.
  template <typename Body, typename Request>
  Body ask(Request request) {
    return reply<Body>(send(std::move(request)));
  }

  // --- the internal topic ----------------------------------------------------------------------

  bool holds_appends = false;  // keep appends undecided until settle() or fail()
  std::vector<Append> undecided;
  std::vector<Record> log;

  void settle();                     // commits all undecided appends
  void settle_one();                 // commits the oldest
  void fail(AppendFailure failure);  // fails the oldest

  // --- time and restart ------------------------------------------------------------------------

  // Turns both clocks, stopping at every deadline on the way.
  void advance(Duration by);
  // A crash: what waits is lost, the log is what remains.
  void restart();
  void stop();
  void finish_loading();

  Now now{Instant{0}, WallTime{1'700'000'000'000}};
  GroupConfig config;
  std::unique_ptr<GroupCoordinator> coordinator;
  std::vector<port::LogLine> lines;

 private:
  void collect();
  void fire_due();

  Output out_;
  std::map<ReplyToken, Reply> replies_;
  uint64_t last_token_ = 0;
  uint64_t seed_;
};

// --- shorthand for requests ----------------------------------------------------------------------

Buffer bytes(std::string_view text);

// A ConsumerProtocol subscription, version 1, to these topics.
Buffer subscription(const std::vector<std::string>& topics);

// A join of a consumer of topic "orders"; version 3 (no member id required) unless changed.
JoinGroup joining(const std::string& group_id, const std::string& client_id,
                  const std::string& member_id = "");
JoinGroup joining_static(const std::string& group_id, const std::string& instance_id);
SyncGroup syncing(const std::string& group_id, const std::string& member_id, int32_t generation,
                  std::vector<MemberAssignment> assignments = {});
Heartbeat beating(const std::string& group_id, const std::string& member_id, int32_t generation);
LeaveGroup leaving(const std::string& group_id, const std::string& member_id);
OffsetCommit committing(const std::string& group_id, const std::string& member_id,
                        int32_t generation, const TopicPartition& at, int64_t offset);

// A group that was formed by these clients and is stable. The first client leads; each member's
// assignment is "for <member id>".
struct FormedGroup {
  std::vector<std::string> members;  // ids, in the order of the clients
  int32_t generation = 0;
};
FormedGroup form_group_of(TestBench& bench, const std::string& group_id,
                          const std::vector<JoinGroup>& joins);
FormedGroup form_group(TestBench& bench, const std::string& group_id,
                       const std::vector<std::string>& client_ids);

// Syncs all members of a generation that has just been joined; `tokens` are their joins.
FormedGroup sync_all(TestBench& bench, const std::string& group_id,
                     const std::vector<ReplyToken>& tokens);

// -1 if the group has no position there.
int64_t position(const TestBench& bench, const std::string& group_id, const TopicPartition& at);
std::string state_of(const TestBench& bench, const std::string& group_id);

}  // namespace magpie::group
