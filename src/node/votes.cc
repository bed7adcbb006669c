#include "node/votes.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

namespace magpie::node {
namespace {

// Far more than a cluster has groups.
constexpr uint64_t kFileBytesMax = 16 * 1024 * 1024;
constexpr Duration kTryAgain = Duration::seconds(1);

int32_t to_millis(Duration duration) {
  return static_cast<int32_t>(duration.to_milliseconds());
}

}  // namespace

Votes::Votes(port::FileRef file, const control::State& state, kafka::PartitionTable& partitions,
             const LeaderSight& sight, const DriverSettings& driver)
    : file_(file),
      gate_(std::move(file), kVotesOwner),
      state_(state),
      partitions_(partitions),
      sight_(sight),
      driver_(driver) {}

void Votes::start(port::Effects& effects) {
  effects.add(port::ReadFile{file_, 0, kFileBytesMax, {kVotesOwner, kRead, 0}});
}

void Votes::step(kafka::Broker& broker, const port::DiskDone& done) {
  if (done.then.kind != kRead) return gate_.step(done, broker.effects);
  const bool missing = !done.status && done.status.error().kind == ErrorKind::kNotFound;
  Status status = missing ? Status() : done.status;
  if (status) status = gate_.restore(broker.now.instant, missing ? "" : done.data.text());
  votes_ = status.has_value();
  const bool was_refused = std::exchange(is_refused_, !votes_);
  if (!votes_ && !done.status) next_try_ = broker.now.instant + kTryAgain;
  if (was_refused && votes_) {
    broker.effects.add(port::LogLine{
        port::Severity::kInfo, "votes_read",
        fmt::format("{} can be read; this site votes on failovers", kAcceptedEpochsPath)});
  }
  if (votes_ || was_refused) return;
  broker.effects.add(port::LogLine{
      port::Severity::kError, "votes_unreadable",
      fmt::format("{} cannot be read: {}. This site does not vote on failovers until it can; if it "
                  "is damaged, rebuild the node from an empty directory",
                  kAcceptedEpochsPath, status.error().message)});
}

void Votes::tick(kafka::Broker& broker) {
  if (broker.now.instant < next_try_) return;
  next_try_ = Instant::never();
  start(broker.effects);
}

void Votes::answer(kafka::Broker& broker, const link::Message& question, const Reply& reply) {
  if (const auto* promise = std::get_if<wire::LinkPromise>(&question)) {
    reply(answer(broker.now, *promise), broker.effects);
  } else if (const auto* inspect = std::get_if<wire::LinkInspect>(&question)) {
    reply(answer(broker, *inspect), broker.effects);
  } else if (const auto* asked = std::get_if<wire::LinkAccept>(&question)) {
    accept(broker, *asked, reply);
  }
}

wire::LinkPromiseAnswer Votes::answer(const Now& now, const wire::LinkPromise& question) {
  wire::LinkPromiseAnswer answer;
  answer.number = question.number;
  const LeaderEpoch epoch{question.epoch};
  // The state here may know of a later term already.
  const LeaderEpoch known = state_.leadership(question.group).epoch;
  if (!votes_ || known > epoch) {
    answer.epoch = known.value;
    return answer;
  }
  const replication::PromiseAnswer promise = gate_.promise(
      now.instant, question.group, epoch, Duration::milliseconds(question.duration_ms));
  answer.granted = promise.granted;
  answer.duration_ms = to_millis(promise.duration);
  answer.epoch = promise.epoch.value;
  return answer;
}

void Votes::accept(kafka::Broker& broker, const wire::LinkAccept& question, const Reply& reply) {
  if (!votes_) {
    wire::LinkAcceptAnswer answer;
    answer.number = question.number;
    return reply(answer, broker.effects);
  }
  gate_.accept(
      broker.now.instant, question.group, LeaderEpoch{question.epoch},
      [reply, number = question.number](const replication::AcceptAnswer& accepted,
                                        port::Effects& effects) {
        wire::LinkAcceptAnswer answer;
        answer.number = number;
        answer.accepted = accepted.accepted;
        answer.epoch = accepted.epoch.value;
        answer.wait_ms = to_millis(accepted.wait);
        reply(answer, effects);
      },
      broker.effects);
}

wire::LinkInspectAnswer Votes::answer(const kafka::Broker& broker,
                                      const wire::LinkInspect& question) const {
  wire::LinkInspectAnswer answer;
  answer.number = question.number;
  answer.group = question.group;
  const control::Leadership& led = state_.leadership(question.group);
  answer.epoch = led.epoch.value;
  const LeaderSight::Seen seen = sight_.seen(question.group, led.leader.node, broker.now.instant);
  answer.seen_records = seen.records;
  answer.seen_ms = seen.during.to_milliseconds();
  if (seen.unheard) answer.unheard_ms = seen.unheard->to_milliseconds();
  // A leader knows all that it has written itself.
  if (led.leader.node == broker.config.node_id) answer.unheard_ms = 0;
  answer.connections = static_cast<int32_t>(broker.connections.size());
  if (driver_.connections > 0) answer.connections_max = static_cast<int32_t>(driver_.connections);
  if (driver_.free_bytes) answer.disk_free_bytes = driver_.free_bytes();
  answer.group_bytes = 0;
  for (const auto& [route, hosted] : partitions_.all()) {
    const control::Topic* topic = state_.find_topic(hosted.topic_id);
    if (topic == nullptr || state_.group_of(*topic, hosted.index) != question.group) continue;
    const partition::Partition& copy = *hosted.partition;
    auto& part = answer.partitions.emplace_back();
    part.topic_id = hosted.topic_id;
    part.index = hosted.index.value;
    if (!copy.is_readable()) {
      part.error_code = wire::ErrorCode::kKafkaStorageError;
      continue;
    }
    part.log_start = copy.log_start().value;
    part.durable_end = copy.durable_end().value;
    part.last_epoch = copy.epochs().latest().value;
    part.high_watermark = copy.high_watermark().value;
    part.caught_up = copy.has_caught_up() && copy.leader_epoch() == led.epoch;
    part.may_have_gaps = copy.may_have_gaps() ? 1 : 0;
    answer.group_bytes += static_cast<int64_t>(copy.size_bytes());
  }
  return answer;
}

}  // namespace magpie::node
