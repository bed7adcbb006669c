#include "group/random_walk.h"

#include <algorithm>
#include <utility>

#include "group/test_bench.h"

namespace magpie::group {
namespace {

constexpr size_t kAdministrator = SIZE_MAX;

// "generation/leader/member", so that any assignment tells where it comes from.
std::string assignment_for(int32_t generation, const std::string& leader,
                           const std::string& member) {
  return std::to_string(generation) + "/" + leader + "/" + member;
}

// Without the part that names the member.
std::string origin_of(const Buffer& assignment) {
  const std::string text(assignment.text());
  return text.substr(0, text.rfind('/'));
}

}  // namespace

RandomWalk::RandomWalk(uint64_t seed) : random_(seed) {
  config_.initial_rebalance_delay = Duration::milliseconds(500);
  config_.offsets_retention = Duration::seconds(40);
  config_.retention_check_interval = Duration::seconds(10);
  config_.limits.removals_per_step = 3;
  config_.limits.members_per_group = 5;
  config_.limits.pending_appends = 8;
  coordinator_ = std::make_unique<GroupCoordinator>(config_, random_.next());
  coordinator_->finish_loading(now_, out_);
  for (int i = 0; i < 6; ++i) {
    Consumer consumer;
    consumer.name = "c" + std::to_string(i);
    consumer.group_id = i < 4 ? "g" : "h";
    consumer.requires_member_id = random_.chance(2, 3);
    consumer.is_slow = random_.chance(1, 3);
    if (random_.chance(1, 2)) consumer.instance_id = "i" + std::to_string(i);
    consumers_.push_back(consumer);
  }
}

// --- what happens --------------------------------------------------------------------------------

void RandomWalk::wander(int events) {
  for (int i = 0; i < events && broken_.empty(); ++i) random_event();
}

void RandomWalk::random_event() {
  const uint64_t dice = random_.below(200);
  if (dice < 120) {
    act(consumers_[random_.below(consumers_.size())]);
  } else if (dice < 155) {
    settle_one();
  } else if (dice < 158) {
    fail_one();
  } else if (dice < 194) {
    advance(Duration::milliseconds(random_.between(1, random_.chance(1, 20) ? 9'000 : 800)));
  } else if (dice < 199) {
    administrate();
  } else {
    crash();
  }
  check_everything();
}

void RandomWalk::act(Consumer& consumer) {
  if (random_.chance(1, 25)) return vanish(consumer);
  switch (consumer.phase) {
    case Phase::kOut:
      return join(consumer);
    case Phase::kJoined:
      return sync(consumer);
    case Phase::kWorking:
      return work(consumer);
    case Phase::kJoining:
      if (random_.chance(1, 10)) join(consumer);  // gives up and repeats itself
      return;
    case Phase::kSyncing:
      if (random_.chance(1, 10)) sync(consumer);
      return;
  }
}

void RandomWalk::work(Consumer& consumer) {
  const uint64_t dice = random_.below(20);
  if (dice < 10) {
    send(
        Heartbeat{
            {}, consumer.group_id, consumer.generation, consumer.member_id, consumer.instance_id},
        index_of(consumer));
  } else if (dice < 17) {
    commit(consumer.group_id, &consumer);
  } else if (dice < 18) {
    leave(consumer);
  } else {
    if (dice == 19) ++consumer.subscription;
    join(consumer);
  }
}

void RandomWalk::join(Consumer& consumer) {
  JoinGroup request = joining(consumer.group_id, consumer.name, consumer.member_id);
  request.instance_id = consumer.instance_id;
  request.requires_member_id = consumer.requires_member_id;
  request.supports_skip_assignment = true;
  request.session_timeout_ms = 6'000;
  request.rebalance_timeout_ms = 4'000;
  request.protocols = {
      {"range", subscription({"orders", "v" + std::to_string(consumer.subscription)})}};
  consumer.phase = Phase::kJoining;
  consumer.waiting = ReplyToken{last_token_ + 1};
  send(std::move(request), index_of(consumer));
}

void RandomWalk::sync(Consumer& consumer) {
  SyncGroup request = syncing(consumer.group_id, consumer.member_id, consumer.generation);
  request.instance_id = consumer.instance_id;
  for (const std::string& member : consumer.members) {
    request.assignments.push_back(
        {member, bytes(assignment_for(consumer.generation, consumer.member_id, member))});
  }
  consumer.phase = Phase::kSyncing;
  consumer.waiting = ReplyToken{last_token_ + 1};
  send(std::move(request), index_of(consumer));
}

void RandomWalk::commit(const std::string& group_id, const Consumer* consumer) {
  OffsetCommit request;
  request.group_id = group_id;
  if (consumer != nullptr) {
    request.member_id = consumer->member_id;
    request.generation = consumer->generation;
    request.instance_id = consumer->instance_id;
  }
  const int64_t count = random_.between(1, 3);
  for (int64_t i = 0; i < count; ++i) {
    const char* topic = random_.chance(1, 3) ? "returns" : "orders";
    request.positions.push_back(
        {{topic, static_cast<int32_t>(i)}, Offset{next_offset_++}, LeaderEpoch{0}, ""});
  }
  send(std::move(request), consumer == nullptr ? kAdministrator : index_of(*consumer));
}

void RandomWalk::leave(Consumer& consumer) {
  send(LeaveGroup{{}, consumer.group_id, {{consumer.member_id, consumer.instance_id, ""}}},
       index_of(consumer));
  vanish(consumer);
}

// It stops without a word; whoever acts next under its name is a new process.
void RandomWalk::vanish(Consumer& consumer) {
  consumer.phase = Phase::kOut;
  consumer.member_id.clear();
  consumer.members.clear();
  consumer.waiting = ReplyToken{};
}

void RandomWalk::administrate() {
  const std::string group_id = random_.chance(1, 2) ? "g" : "h";
  switch (random_.below(5)) {
    case 0:
      send(DeleteGroups{{}, {"simple", group_id}}, kAdministrator);
      return;
    case 1:
      send(OffsetDelete{{}, group_id, {{"returns", 0}, {"orders", 0}}}, kAdministrator);
      return;
    case 2:
      coordinator_->step(now_, TopicDeleted{"returns"}, out_);
      return collect({});
    case 3:
      return commit("simple", nullptr);
    default:
      return commit(group_id, nullptr);
  }
}

// Of the undecided appends a prefix made it into the log.
void RandomWalk::crash() {
  const uint64_t kept = random_.below(undecided_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) {
    const Undecided& one = undecided_[i];
    log_.insert(log_.end(), one.append.records.begin(), one.append.records.end());
    for (const Record& record : one.append.records) {
      const Result<Change> change = decode(record);
      if (const auto* stored = std::get_if<PositionStored>(&change->what)) {
        positions_[change->group_id][stored->at] = stored->position.offset.value;
      } else if (const auto* removed = std::get_if<PositionRemoved>(&change->what)) {
        positions_[change->group_id].erase(removed->at);
      }
    }
  }
  undecided_.clear();
  asked_.clear();
  committed_.clear();
  for (Consumer& consumer : consumers_) {
    const bool waits = consumer.phase == Phase::kJoining || consumer.phase == Phase::kSyncing;
    if (waits) consumer.phase = Phase::kOut;
  }
  rebalances_ += coordinator_->statistics().rebalances;
  coordinator_ = std::make_unique<GroupCoordinator>(config_, random_.next());
  for (const Record& record : log_) {
    expect(coordinator_->load(record).has_value(), "the coordinator reads what it wrote");
  }
  coordinator_->finish_loading(now_, out_);
  collect({});
}

void RandomWalk::heal() {
  for (Consumer& consumer : consumers_) consumer.is_slow = false;
  for (int round = 0; round < 400 && broken_.empty() && !all_work(); ++round) {
    for (Consumer& consumer : consumers_) {
      if (consumer.phase == Phase::kOut) join(consumer);
      if (consumer.phase == Phase::kJoined) sync(consumer);
      if (consumer.phase != Phase::kWorking) continue;
      send(
          Heartbeat{
              {}, consumer.group_id, consumer.generation, consumer.member_id, consumer.instance_id},
          index_of(consumer));
    }
    while (!undecided_.empty()) settle_one();
    advance(Duration::milliseconds(500));
    check_everything();
  }
  expect(all_work(), "when everybody behaves, everybody becomes a working member");
}

void RandomWalk::fall_silent() {
  for (int i = 0; i < 700 && broken_.empty(); ++i) {
    advance(Duration::milliseconds(1'000));
    while (!undecided_.empty()) settle_one();
    check_everything();
  }
  expect(asked_.empty(), "every request is answered in the end");
  expect(coordinator_->list({}).groups.empty(), "groups without members expire");
  expect(coordinator_->durable().groups().empty(), "and leave nothing behind");
}

// --- between the consumers and the coordinator ---------------------------------------------------

template <typename Request>
ReplyToken RandomWalk::send(Request request, size_t consumer) {
  const ReplyToken token{++last_token_};
  request.token = token;
  Asked asked;
  asked.consumer = consumer;
  std::vector<PositionCommit> commits;
  if constexpr (requires { request.group_id; }) asked.group_id = request.group_id;
  if constexpr (requires { request.generation; }) {
    asked.generation = request.generation;
    asked.member_id = request.member_id;
  }
  if constexpr (std::is_same_v<Request, OffsetCommit>) commits = request.positions;
  const int32_t current = coordinator_->describe(asked.group_id).generation;
  asked_[token] = asked;
  coordinator_->step(now_, Event(std::move(request)), out_);
  if (!commits.empty() && !out_.appends.empty()) {
    asked_[token].append = out_.appends.back().id;
    expect(asked.generation < 0 || asked.generation == current,
           "only the current generation commits");
  }
  collect(std::move(commits));
  return token;
}

void RandomWalk::collect(std::vector<PositionCommit> commits) {
  const Output out = std::exchange(out_, {});
  for (const Append& append : out.appends) {
    undecided_.push_back(
        {append, append.id == out.appends.back().id ? commits : std::vector<PositionCommit>{}});
  }
  for (const Reply& reply : out.replies) take_reply(reply);
}

void RandomWalk::settle_one() {
  if (undecided_.empty()) return;
  const Undecided one = std::move(undecided_.front());
  undecided_.pop_front();
  log_.insert(log_.end(), one.append.records.begin(), one.append.records.end());
  committed_.insert(one.append.id);
  // The twin believes the request for what was stored, and only the keys of removals.
  for (const PositionCommit& commit : one.commits) {
    positions_[one.append.group_id][commit.at] = commit.offset.value;
  }
  for (const Record& record : one.append.records) {
    const Result<Change> change = decode(record);
    const auto* removed = std::get_if<PositionRemoved>(&change->what);
    if (removed != nullptr) positions_[change->group_id].erase(removed->at);
  }
  coordinator_->step(now_, AppendCommitted{one.append.id}, out_);
  collect({});
}

void RandomWalk::fail_one() {
  if (undecided_.empty()) return;
  const size_t which = random_.below(undecided_.size());
  const AppendId id = undecided_[which].append.id;
  undecided_.erase(undecided_.begin() + static_cast<std::ptrdiff_t>(which));
  const auto failure = static_cast<AppendFailure>(random_.below(3));
  coordinator_->step(now_, AppendFailed{id, failure}, out_);
  collect({});
}

void RandomWalk::advance(Duration by) {
  const Instant end = now_.instant + by;
  while (coordinator_->next_deadline() <= end) {
    const Duration passed = std::max(coordinator_->next_deadline(), now_.instant) - now_.instant;
    now_.wall.millis += passed.to_milliseconds();
    now_.instant = now_.instant + passed;
    coordinator_->tick(now_, out_);
    expect(coordinator_->next_deadline() > now_.instant, "a tick leaves nothing due");
    if (!broken_.empty()) return;
    collect({});
  }
  now_.wall.millis += (end - now_.instant).to_milliseconds();
  now_.instant = end;
}

// --- what consumers make of replies --------------------------------------------------------------

void RandomWalk::take_reply(const Reply& reply) {
  const auto found = asked_.find(reply.token);
  expect(found != asked_.end(), "a request is answered once");
  if (found == asked_.end()) return;
  const Asked asked = found->second;
  asked_.erase(found);
  if (const auto* synced = std::get_if<SyncGroupReply>(&reply.body)) check_sync(asked, *synced);
  if (const auto* done = std::get_if<OffsetCommitReply>(&reply.body)) check_commit(asked, *done);
  if (asked.consumer == kAdministrator) return;
  Consumer& consumer = consumers_[asked.consumer];
  const bool current = consumer.waiting == reply.token;
  if (const auto* joined = std::get_if<JoinGroupReply>(&reply.body)) {
    if (current) take(consumer, *joined);
  } else if (const auto* synced = std::get_if<SyncGroupReply>(&reply.body)) {
    if (current) take(consumer, *synced);
  } else if (consumer.phase == Phase::kWorking && asked.member_id == consumer.member_id &&
             asked.generation == consumer.generation) {
    if (const auto* beat = std::get_if<HeartbeatReply>(&reply.body)) {
      take_error(consumer, beat->error);
    } else if (const auto* done = std::get_if<OffsetCommitReply>(&reply.body)) {
      take_error(consumer, done->positions.at(0).error);
    }
  }
}

void RandomWalk::take(Consumer& consumer, const JoinGroupReply& reply) {
  consumer.phase = Phase::kOut;
  if (reply.error == GroupError::kMemberIdRequired) {
    consumer.member_id = reply.member_id;
  } else if (reply.error == GroupError::kUnknownMemberId ||
             reply.error == GroupError::kFencedInstanceId) {
    consumer.member_id.clear();
  } else if (reply.error == GroupError::kNone) {
    consumer.phase = Phase::kJoined;
    consumer.member_id = reply.member_id;
    consumer.generation = reply.generation;
    consumer.members.clear();
    if (!reply.skip_assignment) {
      for (const JoinedMember& member : reply.members) consumer.members.push_back(member.member_id);
    }
  }
}

void RandomWalk::take(Consumer& consumer, const SyncGroupReply& reply) {
  consumer.phase = reply.error == GroupError::kNone ? Phase::kWorking : Phase::kOut;
  if (reply.error == GroupError::kUnknownMemberId || reply.error == GroupError::kFencedInstanceId) {
    consumer.member_id.clear();
  }
}

void RandomWalk::take_error(Consumer& consumer, GroupError error) {
  switch (error) {
    case GroupError::kUnknownMemberId:
    case GroupError::kFencedInstanceId:
      consumer.member_id.clear();
      consumer.phase = Phase::kOut;
      return;
    case GroupError::kRebalanceInProgress:
      if (consumer.is_slow && random_.chance(19, 20)) return;
      consumer.phase = Phase::kOut;
      return;
    case GroupError::kIllegalGeneration:
      consumer.phase = Phase::kOut;
      return;
    default:
      return;
  }
}

// --- promises ------------------------------------------------------------------------------------

void RandomWalk::expect(bool holds, const std::string& promise) {
  if (!holds && broken_.empty()) broken_ = promise;
}

void RandomWalk::check_everything() {
  for (const ListedGroup& group : coordinator_->list({}).groups) {
    check_group(coordinator_->describe(group.group_id));
  }
  check_positions();
  if (random_.chance(1, 10)) check_reload();
}

void RandomWalk::check_group(const GroupDescription& group) {
  // Until the joining phase ends, members that will have to go are still there.
  const size_t factor = group.state == "PreparingRebalance" ? 2 : 1;
  expect(group.members.size() <= factor * config_.limits.members_per_group,
         "a group has a largest size");
  if (group.state != "Stable") return;
  const DurableGroup* stored = coordinator_->durable().find(group.group_id);
  expect(stored != nullptr && stored->metadata, "a stable group is stored");
  if (stored == nullptr || !stored->metadata) return;
  expect(stored->metadata->generation == group.generation, "it is stored with its generation");
  expect(stored->metadata->leader == group.leader, "it is stored with its leader");
  expect(stored->metadata->members.size() == group.members.size(), "and with its members");
  std::set<std::string> origins;
  for (size_t i = 0; i < group.members.size() && broken_.empty(); ++i) {
    const DescribedMember& member = group.members[i];
    const MemberMetadata& kept = stored->metadata->members.at(i);
    expect(kept.member_id == member.member_id, "members are stored under their ids");
    expect(kept.assignment.text() == member.assignment.text(), "assignments are stored");
    origins.insert(origin_of(member.assignment));
  }
  expect(origins.size() <= 1, "all assignments of a generation are made by one leader");
  const std::string prefix = std::to_string(group.generation) + "/";
  expect(!origins.empty() && origins.begin()->rfind(prefix, 0) == 0,
         "assignments of a stable group are of its generation");
}

void RandomWalk::check_positions() {
  for (const char* group_id : {"g", "h", "simple"}) {
    std::map<TopicPartition, int64_t> fetched;
    const auto answer = coordinator_->fetch_positions({group_id, std::nullopt, false});
    for (const FetchedPosition& position : answer.positions) {
      fetched[position.at] = position.offset.value;
    }
    for (const auto& [at, offset] : positions_[group_id]) {
      // A topic that is deleted: its positions are not shown while they go.
      if (at.topic == "returns" && fetched.count(at) == 0) continue;
      const auto found = fetched.find(at);
      expect(found != fetched.end() && found->second == offset,
             "positions are those that were durably committed");
      fetched.erase(at);
    }
    expect(fetched.empty(), "no position is shown that is not durable");
  }
}

// Also from a compacted log: of each key the last record.
void RandomWalk::check_reload() {
  GroupCoordinator from_log(config_, 1);
  GroupCoordinator from_compacted(config_, 1);
  std::map<std::string, size_t> last;
  for (size_t i = 0; i < log_.size(); ++i) last[std::string(log_[i].key.text())] = i;
  for (size_t i = 0; i < log_.size(); ++i) {
    expect(from_log.load(log_[i]).has_value(), "the log can be read");
    if (last[std::string(log_[i].key.text())] != i) continue;
    expect(from_compacted.load(log_[i]).has_value(), "the compacted log can be read");
  }
  expect(from_log.durable() == coordinator_->durable(), "reloading gives the same state");
  expect(from_compacted.durable() == coordinator_->durable(), "also after compaction");
}

void RandomWalk::check_sync(const Asked& asked, const SyncGroupReply& reply) {
  if (reply.error != GroupError::kNone) return;
  const DurableGroup* stored = coordinator_->durable().find(asked.group_id);
  const bool is_stored =
      stored != nullptr && stored->metadata && stored->metadata->generation == asked.generation;
  expect(is_stored, "an assignment is durable before it is told");
  if (!is_stored) return;
  for (const MemberMetadata& member : stored->metadata->members) {
    if (member.member_id != asked.member_id) continue;
    expect(member.assignment.text() == reply.assignment.text(), "as it is told");
    return;
  }
  expect(false, "only members are told an assignment");
}

void RandomWalk::check_commit(const Asked& asked, const OffsetCommitReply& reply) {
  for (const PositionResult& result : reply.positions) {
    if (result.error != GroupError::kNone) continue;
    expect(asked.append && committed_.count(*asked.append) != 0,
           "a commit is durable before it is acknowledged");
  }
}

bool RandomWalk::all_work() const {
  return std::all_of(consumers_.begin(), consumers_.end(), [this](const Consumer& consumer) {
    const GroupDescription group = coordinator_->describe(consumer.group_id);
    return consumer.phase == Phase::kWorking && group.state == "Stable" &&
           consumer.generation == group.generation;
  });
}

}  // namespace magpie::group
