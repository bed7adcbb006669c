#include "group/test_bench.h"

#include <algorithm>
#include <memory>

#include "base/byte_writer.h"

namespace magpie::group {

TestBench::TestBench(GroupConfig group_config, uint64_t seed)
    : config(group_config),
      coordinator(std::make_unique<GroupCoordinator>(group_config, seed)),
      seed_(seed) {
  finish_loading();
}

void TestBench::finish_loading() {
  coordinator->finish_loading(now, out_);
  collect();
}

void TestBench::deliver(const Event& event) {
  coordinator->step(now, event, out_);
  collect();
  if (!holds_appends) settle();
}

void TestBench::collect() {
  for (Reply& reply : out_.replies) {
    const ReplyToken token = reply.token;
    CHECK(token.value >= 1 && token.value <= last_token_);
    CHECK(replies_.emplace(token, std::move(reply)).second);  // exactly one reply for a request
  }
  for (Append& append : out_.appends) undecided.push_back(std::move(append));
  for (port::LogLine& line : out_.log) lines.push_back(std::move(line));
  out_ = {};
}

void TestBench::settle() {
  while (!undecided.empty()) settle_one();
}

void TestBench::settle_one() {
  const Append append = undecided.front();
  undecided.erase(undecided.begin());
  log.insert(log.end(), append.records.begin(), append.records.end());
  coordinator->step(now, AppendCommitted{append.id}, out_);
  collect();
}

void TestBench::fail(AppendFailure failure) {
  const AppendId id = undecided.front().id;
  undecided.erase(undecided.begin());
  coordinator->step(now, AppendFailed{id, failure}, out_);
  collect();
}

void TestBench::fire_due() {
  coordinator->tick(now, out_);
  collect();
  if (!holds_appends) settle();
}

void TestBench::advance(Duration by) {
  const Instant end = now.instant + by;
  while (coordinator->next_deadline() <= end) {
    const Instant deadline = std::max(coordinator->next_deadline(), now.instant);
    now.wall.millis += (deadline - now.instant).to_milliseconds();
    now.instant = deadline;
    fire_due();
  }
  now.wall.millis += (end - now.instant).to_milliseconds();
  now.instant = end;
}

void TestBench::restart() {
  undecided.clear();
  coordinator = std::make_unique<GroupCoordinator>(config, ++seed_);
  for (const Record& record : log) CHECK(coordinator->load(record).has_value());
  finish_loading();
}

void TestBench::stop() {
  coordinator->stop(out_);
  collect();
}

Buffer bytes(std::string_view text) {
  return Buffer::copy_of(text);
}

Buffer subscription(const std::vector<std::string>& topics) {
  ByteWriter writer;
  writer.write_int16(1);
  writer.write_int32(static_cast<int32_t>(topics.size()));
  for (const std::string& topic : topics) {
    writer.write_int16(static_cast<int16_t>(topic.size()));
    writer.write_text(topic);
  }
  writer.write_int32(-1);  // user data: none
  writer.write_int32(0);   // owned partitions, from version 1 on
  return flatten(writer.finish());
}

JoinGroup joining(const std::string& group_id, const std::string& client_id,
                  const std::string& member_id) {
  JoinGroup request;
  request.group_id = group_id;
  request.member_id = member_id;
  request.client_id = client_id;
  request.client_host = "/127.0.0.1";
  request.protocol_type = "consumer";
  request.protocols = {{"range", subscription({"orders"})}};
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 60'000;
  return request;
}

JoinGroup joining_static(const std::string& group_id, const std::string& instance_id) {
  JoinGroup request = joining(group_id, "client-of-" + instance_id);
  request.instance_id = instance_id;
  request.requires_member_id = true;
  request.supports_skip_assignment = true;
  return request;
}

SyncGroup syncing(const std::string& group_id, const std::string& member_id, int32_t generation,
                  std::vector<MemberAssignment> assignments) {
  SyncGroup request;
  request.group_id = group_id;
  request.member_id = member_id;
  request.generation = generation;
  request.assignments = std::move(assignments);
  return request;
}

Heartbeat beating(const std::string& group_id, const std::string& member_id, int32_t generation) {
  return {ReplyToken{}, group_id, generation, member_id, std::nullopt};
}

LeaveGroup leaving(const std::string& group_id, const std::string& member_id) {
  return {ReplyToken{}, group_id, {{member_id, std::nullopt, ""}}};
}

OffsetCommit committing(const std::string& group_id, const std::string& member_id,
                        int32_t generation, const TopicPartition& at, int64_t offset) {
  OffsetCommit request;
  request.group_id = group_id;
  request.member_id = member_id;
  request.generation = generation;
  request.positions = {{at, Offset{offset}, LeaderEpoch{3}, "note"}};
  return request;
}

FormedGroup form_group_of(TestBench& bench, const std::string& group_id,
                          const std::vector<JoinGroup>& joins) {
  std::vector<ReplyToken> tokens;
  for (const JoinGroup& join : joins) tokens.push_back(bench.send(join));
  for (size_t i = 0; i < 10 && !bench.is_answered(tokens[0]); ++i) {
    bench.advance(bench.config.initial_rebalance_delay);
  }
  return sync_all(bench, group_id, tokens);
}

FormedGroup form_group(TestBench& bench, const std::string& group_id,
                       const std::vector<std::string>& client_ids) {
  std::vector<JoinGroup> joins;
  for (const std::string& client_id : client_ids) joins.push_back(joining(group_id, client_id));
  return form_group_of(bench, group_id, joins);
}

FormedGroup sync_all(TestBench& bench, const std::string& group_id,
                     const std::vector<ReplyToken>& tokens) {
  FormedGroup formed;
  std::string leader;
  std::vector<MemberAssignment> assignments;
  for (const ReplyToken token : tokens) {
    const auto& joined = bench.reply<JoinGroupReply>(token);
    CHECK(joined.error == GroupError::kNone);
    formed.members.push_back(joined.member_id);
    formed.generation = joined.generation;
    leader = joined.leader;
    assignments.push_back({joined.member_id, bytes("for " + joined.member_id)});
  }
  std::vector<ReplyToken> syncs;
  for (const std::string& member : formed.members) {
    const bool leads = member == leader;
    syncs.push_back(bench.send(syncing(group_id, member, formed.generation,
                                       leads ? assignments : std::vector<MemberAssignment>{})));
  }
  for (const ReplyToken token : syncs) {
    CHECK(bench.reply<SyncGroupReply>(token).error == GroupError::kNone);
  }
  return formed;
}

int64_t position(const TestBench& bench, const std::string& group_id, const TopicPartition& at) {
  OffsetFetch request;
  request.group_id = group_id;
  request.positions = {at};
  const OffsetFetchAnswer answer = bench.coordinator->fetch_positions(request);
  CHECK(answer.error == GroupError::kNone && answer.positions.size() == 1);
  return answer.positions[0].offset.value;
}

std::string state_of(const TestBench& bench, const std::string& group_id) {
  return bench.coordinator->describe(group_id).state;
}

}  // namespace magpie::group
