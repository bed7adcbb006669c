// A member of a consumer group, by the classic protocol: finds the coordinator, joins, syncs,
// heartbeats, reads what it is assigned, commits what it has processed; leaves politely or falls
// silent.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/client.h"
#include "sim/fetched.h"
#include "sim/group_ledger.h"
#include "wire/join_group.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"
#include "wire/sync_group.h"

namespace magpie::sim {

class GroupMember : public Client {
 public:
  struct Settings {
    int32_t number = 0;
    std::string group;
    std::string topic;  // all its partitions
    bool is_static = false;
  };

  GroupMember(Surroundings around, GroupLedger& ledger, Settings settings);

  void start() override { join(); }
  bool is_done() const override { return ledger_.is_done(); }
  std::string describe() const override;

 private:
  enum class State { kPausing, kJoining, kSyncing, kStable };

  void set_state(State state) { ++life_, state_ = state; }
  void join_after(Duration pause);
  void join();
  void joined(const std::optional<wire::JoinGroupResponse>& response);
  void sync(const wire::JoinGroupResponse& joined);
  void synced(const std::optional<wire::SyncGroupResponse>& response);
  std::string assign(const wire::JoinGroupResponse& joined, size_t member) const;
  void get_positions();
  void got_positions(const std::optional<wire::OffsetFetchResponse>& response, Instant asked);
  void heartbeat();
  void work();
  void read(int32_t partition);
  void read_done(int32_t partition, const wire::FetchResponsePartition& answer, int64_t wanted,
                 const Known& known);
  void commit(int32_t partition);
  void commit_late();
  void committed(int32_t partition, size_t number,
                 const std::optional<wire::OffsetCommitResponse>& response);
  void go_away();
  void lost_coordinator();
  // The group does not want us as we are: join again, as somebody new if it does not know us.
  void fall_out(wire::ErrorCode error);

  Surroundings around_;
  GroupLedger& ledger_;
  Settings settings_;
  Random random_;
  Brokers brokers_;  // fetches, which park, on the side channel
  State state_ = State::kPausing;
  uint64_t life_ = 0;  // rises with every change of state
  std::string member_id_;
  int32_t generation_ = -1;
  std::map<int32_t, int64_t> positions_;  // assigned partitions, next offset
  std::map<int32_t, int32_t> epochs_;     // of what was read last there
};

}  // namespace magpie::sim
