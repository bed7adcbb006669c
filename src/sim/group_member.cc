#include "sim/group_member.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/heartbeat.h"
#include "wire/leave_group.h"

namespace magpie::sim {
namespace {

using wire::ErrorCode;

constexpr Duration kRetryPause = Duration::milliseconds(100);
constexpr Duration kHeartbeatPause = Duration::milliseconds(1'000);
constexpr int32_t kSessionMillis = 6'000;

}  // namespace

GroupMember::GroupMember(Surroundings around, GroupLedger& ledger, Settings settings)
    : around_(around),
      ledger_(ledger),
      settings_(std::move(settings)),
      random_(around.scene.random.fork()),
      brokers_(around.brokers(fmt::format("member-{}", settings_.number))) {}

std::string GroupMember::describe() const {
  return fmt::format("member {} in state {} generation {} of {}", settings_.number,
                     static_cast<int>(state_), generation_, ledger_.describe());
}

// --- joining -------------------------------------------------------------------------------------

void GroupMember::join_after(Duration pause) {
  set_state(State::kPausing);
  around_.scene.queue.after(pause, [this, life = life_] {
    if (life == life_) join();
  });
}

void GroupMember::lost_coordinator() {
  brokers_.forget_coordinator();
  join_after(kRetryPause);
}

void GroupMember::fall_out(ErrorCode error) {
  brokers_.forget_coordinator();
  around_.scene.note("falls out", settings_.number, static_cast<int>(error));
  if (error == ErrorCode::kUnknownMemberId || error == ErrorCode::kFencedInstanceId) {
    member_id_.clear();
    generation_ = -1;
  }
  join_after(kRetryPause);
}

void GroupMember::join() {
  set_state(State::kJoining);
  wire::JoinGroupRequest request;
  request.group_id = settings_.group;
  request.session_timeout_ms = kSessionMillis;
  request.rebalance_timeout_ms = 5'000;
  request.member_id = member_id_;
  if (settings_.is_static) request.group_instance_id = fmt::format("i{}", settings_.number);
  request.protocol_type = "simulated";
  request.protocols.push_back({"spread", Buffer::copy_of(settings_.topic)});
  const int lowest = settings_.is_static ? 5 : 1;
  const int version = draw_version(random_, wire::ApiKey::kJoinGroup, lowest, 9);
  brokers_.coordinator(settings_.group)
      .call<wire::JoinGroupResponse>(request, version, [this, life = life_](const auto& response) {
        if (life == life_) joined(response);
      });
}

void GroupMember::joined(const std::optional<wire::JoinGroupResponse>& response) {
  if (!response) return lost_coordinator();
  if (response->error_code == ErrorCode::kMemberIdRequired) {
    around_.scene.probe("two_step_join");
    member_id_ = response->member_id;
    return join();
  }
  if (response->error_code != ErrorCode::kNone) return fall_out(response->error_code);
  member_id_ = response->member_id;
  generation_ = response->generation_id;
  around_.scene.probe("rebalance");
  if (settings_.is_static) around_.scene.probe("rebalance_with_static_member");
  sync(*response);
}

// Whole numbers of partitions, separated by commas.
std::string GroupMember::assign(const wire::JoinGroupResponse& joined, size_t member) const {
  std::string text;
  const auto count = static_cast<size_t>(around_.topics.find(settings_.topic).partitions);
  for (size_t p = member; p < count; p += joined.members.size()) text += fmt::format("{},", p);
  return text;
}

void GroupMember::sync(const wire::JoinGroupResponse& joined) {
  set_state(State::kSyncing);
  wire::SyncGroupRequest request;
  request.group_id = settings_.group;
  request.generation_id = generation_;
  request.member_id = member_id_;
  if (settings_.is_static) request.group_instance_id = fmt::format("i{}", settings_.number);
  request.protocol_type = "simulated";
  request.protocol_name = "spread";
  if (joined.leader == member_id_) {
    for (size_t i = 0; i < joined.members.size(); ++i) {
      request.assignments.push_back(
          {joined.members[i].member_id, Buffer::copy_of(assign(joined, i))});
    }
  }
  const int lowest = settings_.is_static ? 3 : 0;
  const int version = draw_version(random_, wire::ApiKey::kSyncGroup, lowest, 5);
  brokers_.coordinator(settings_.group)
      .call<wire::SyncGroupResponse>(request, version, [this, life = life_](const auto& response) {
        if (life == life_) synced(response);
      });
}

void GroupMember::synced(const std::optional<wire::SyncGroupResponse>& response) {
  if (!response) return lost_coordinator();
  if (response->error_code != ErrorCode::kNone) return fall_out(response->error_code);
  ledger_.stable_in(generation_);
  set_state(State::kStable);
  positions_.clear();
  std::string text(response->assignment.text());
  for (size_t comma = text.find(','); comma != std::string::npos; comma = text.find(',')) {
    int32_t partition = 0;
    for (const char digit : text.substr(0, comma)) partition = partition * 10 + (digit - '0');
    positions_[partition] = -1;
    text.erase(0, comma + 1);
  }
  heartbeat();
  get_positions();
  if (random_.chance(1, 4)) commit_late();
}

// --- in the group --------------------------------------------------------------------------------

void GroupMember::heartbeat() {
  wire::HeartbeatRequest request;
  request.group_id = settings_.group;
  request.generation_id = generation_;
  request.member_id = member_id_;
  const int version = draw_version(random_, wire::ApiKey::kHeartbeat, 0, 4);
  brokers_.coordinator(settings_.group)
      .call<wire::HeartbeatResponse>(request, version, [this, life = life_](const auto& response) {
        if (life != life_) return;
        if (response && response->error_code != ErrorCode::kNone &&
            response->error_code != ErrorCode::kCoordinatorLoadInProgress) {
          return fall_out(response->error_code);
        }
        if (!response) brokers_.forget_coordinator();
        around_.scene.queue.after(kHeartbeatPause, [this, life] {
          if (life == life_) heartbeat();
        });
      });
}

void GroupMember::get_positions() {
  wire::OffsetFetchRequest request;
  std::vector<int32_t> partitions;
  for (const auto& [partition, position] : positions_) partitions.push_back(partition);
  if (partitions.empty()) return work();
  request.group_id = settings_.group;
  request.topics = std::vector<wire::OffsetFetchRequestTopic>{{settings_.topic, partitions}};
  const int version = draw_version(random_, wire::ApiKey::kOffsetFetch, 1, 7);
  brokers_.coordinator(settings_.group)
      .call<wire::OffsetFetchResponse>(
          request, version,
          [this, life = life_, asked = around_.scene.now()](const auto& response) {
            if (life == life_) got_positions(response, asked);
          });
}

void GroupMember::got_positions(const std::optional<wire::OffsetFetchResponse>& response,
                                Instant asked) {
  const bool good =
      response && response->error_code == ErrorCode::kNone && response->topics.size() == 1;
  bool all = good;
  if (good) {
    for (const auto& partition : response->topics[0].partitions) {
      all &= partition.error_code == ErrorCode::kNone;
    }
  }
  if (!all) {
    brokers_.forget_coordinator();
    around_.scene.queue.after(kRetryPause, [this, life = life_] {
      if (life == life_) get_positions();
    });
    return;
  }
  for (const auto& partition : response->topics[0].partitions) {
    ledger_.found(partition.partition_index, partition.committed_offset, asked);
    positions_[partition.partition_index] = std::max<int64_t>(partition.committed_offset, 0);
    epochs_[partition.partition_index] = partition.committed_leader_epoch;
  }
  work();
}

void GroupMember::work() {
  const Duration pause = draw_pause(random_, around_.think_max());
  around_.scene.queue.after(pause, [this, life = life_] {
    if (life != life_) return;
    if (!around_.scene.healed && random_.chance(1, 100)) return go_away();
    if (positions_.empty()) return work();
    auto chosen = positions_.begin();
    std::advance(chosen, static_cast<int64_t>(random_.below(positions_.size())));
    read(chosen->first);
  });
}

void GroupMember::go_away() {
  if (random_.chance(1, 2)) {
    // Silence: the coordinator has to notice; or a pause after which it still thinks it is in.
    around_.scene.probe("member_fell_silent");
    set_state(State::kStable);
    const Duration pause = Duration::milliseconds(random_.between(1'000, 20'000));
    around_.scene.queue.after(pause, [this, life = life_] {
      if (life != life_) return;
      // What it processed before, it commits now; the group may have moved on.
      heartbeat();
      if (positions_.empty()) return work();
      commit(positions_.begin()->first);
    });
    return;
  }
  around_.scene.probe("member_left");
  wire::LeaveGroupRequest request;
  request.group_id = settings_.group;
  request.member_id = member_id_;
  request.members.push_back({member_id_, std::nullopt, std::nullopt});
  const int version = draw_version(random_, wire::ApiKey::kLeaveGroup, 0, 5);
  brokers_.coordinator(settings_.group)
      .call<wire::LeaveGroupResponse>(request, version, [](const auto&) {});
  member_id_.clear();
  generation_ = -1;
  join_after(Duration::milliseconds(random_.between(100, 5'000)));
}

// --- reading and committing ----------------------------------------------------------------------

void GroupMember::read(int32_t partition) {
  const int64_t wanted = positions_[partition];
  const int version = draw_version(random_, wire::ApiKey::kFetch, around_.lowest_fetch(), 18);
  const int32_t epoch = brokers_.epoch(settings_.topic, partition);
  wire::FetchRequest request;
  request.max_wait_ms = 200;
  request.min_bytes = 1;
  ask_for(request, version, around_.topics.find(settings_.topic), partition, wanted, 4'096, epoch);
  const Known known =
      Known::of(around_.topics.ledger(settings_.topic, partition), epoch, around_.bootstrap.alone);
  brokers_.leader(settings_.topic, partition, Brokers::kSide)
      .call<wire::FetchResponse>(
          request, version, [this, life = life_, partition, wanted, known](const auto& response) {
            if (life != life_) return;
            if (!response || response->responses.size() != 1) {
              brokers_.look_again();
              return work();
            }
            read_done(partition, response->responses[0].partitions.at(0), wanted, known);
          });
}

void GroupMember::read_done(int32_t partition, const wire::FetchResponsePartition& answer,
                            int64_t wanted, const Known& known) {
  Ledger& log = around_.topics.ledger(settings_.topic, partition);
  if (answer.error_code == ErrorCode::kOffsetOutOfRange) {
    // Deleted meanwhile, or lost where that is allowed: from the start, like a client that resets.
    const int64_t start = std::max(answer.log_start_offset, log.log_start());
    positions_[partition] = wanted < start ? start : 0;
    return work();
  }
  if (answer.error_code != ErrorCode::kNone) {
    brokers_.look_again();
    return work();
  }
  const Fetched fetched = look_at_fetched(around_.scene, log, answer, wanted, known, true);
  if (fetched.next == wanted) return work();
  ledger_.processed(partition, wanted, fetched.next);
  positions_[partition] = fetched.next;
  epochs_[partition] = fetched.epoch;
  if (random_.chance(1, 2)) return commit(partition);
  work();
}

void GroupMember::commit(int32_t partition) {
  wire::OffsetCommitRequest request;
  request.group_id = settings_.group;
  request.generation_id_or_member_epoch = generation_;
  request.member_id = member_id_;
  const int version = draw_version(random_, wire::ApiKey::kOffsetCommit, 2, 9);
  wire::OffsetCommitRequestTopic topic;
  topic.name = settings_.topic;
  topic.partitions.push_back({.partition_index = partition,
                              .committed_offset = positions_[partition],
                              .committed_leader_epoch = epochs_[partition],
                              .committed_metadata = ""});
  request.topics.push_back(std::move(topic));
  const size_t number = ledger_.commit_sent(partition, positions_[partition], generation_);
  brokers_.coordinator(settings_.group)
      .call<wire::OffsetCommitResponse>(
          request, version, [this, life = life_, partition, number](const auto& response) {
            committed(partition, number, response);
            if (life == life_) work();
          });
}

// As if a commit of the generation before had been under way all the time: it must be refused.
void GroupMember::commit_late() {
  if (generation_ < 2 || positions_.empty()) return;
  const int32_t partition = positions_.begin()->first;
  wire::OffsetCommitRequest request;
  request.group_id = settings_.group;
  request.generation_id_or_member_epoch = generation_ - 1;
  request.member_id = member_id_;
  wire::OffsetCommitRequestTopic topic;
  topic.name = settings_.topic;
  topic.partitions.push_back(
      {.partition_index = partition, .committed_offset = 0, .committed_metadata = ""});
  request.topics.push_back(std::move(topic));
  const size_t number = ledger_.commit_sent(partition, 0, generation_ - 1);
  const int version = draw_version(random_, wire::ApiKey::kOffsetCommit, 2, 9);
  brokers_.coordinator(settings_.group)
      .call<wire::OffsetCommitResponse>(request, version, [=, this](const auto& response) {
        using Outcome = GroupLedger::Outcome;
        // It can never be carried out, answered or not, unless generations can be forgotten.
        if (!response && ledger_.may_forget()) {
          return ledger_.commit_settled(partition, number, Outcome::kUnknown);
        }
        const bool taken =
            response && response->topics.at(0).partitions.at(0).error_code == ErrorCode::kNone;
        if (!taken) around_.scene.probe("commit_of_old_generation_refused");
        ledger_.commit_settled(partition, number,
                               taken ? Outcome::kAcknowledged : Outcome::kRefused);
      });
}

void GroupMember::committed(int32_t partition, size_t number,
                            const std::optional<wire::OffsetCommitResponse>& response) {
  using Outcome = GroupLedger::Outcome;
  if (!response) {
    brokers_.forget_coordinator();
    return ledger_.commit_settled(partition, number, Outcome::kUnknown);
  }
  const ErrorCode error = response->topics.at(0).partitions.at(0).error_code;
  if (error == ErrorCode::kNone) {
    around_.scene.probe("position_committed");
    return ledger_.commit_settled(partition, number, Outcome::kAcknowledged);
  }
  const bool fenced = error == ErrorCode::kIllegalGeneration ||
                      error == ErrorCode::kUnknownMemberId ||
                      error == ErrorCode::kRebalanceInProgress;
  if (fenced) around_.scene.probe("commit_fenced");
  ledger_.commit_settled(partition, number, fenced ? Outcome::kRefused : Outcome::kUnknown);
  if (!fenced) brokers_.forget_coordinator();
  if (fenced && state_ == State::kStable) fall_out(error);
}

}  // namespace magpie::sim
