#include "node/votes.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

namespace magpie::node {
namespace {

// Far more than a cluster has groups.
constexpr uint64_t kFileBytesMax = 16 * 1024 * 1024;

int32_t to_millis(Duration duration) {
  return static_cast<int32_t>(duration.to_milliseconds());
}

}  // namespace

Votes::Votes(port::FileRef file, const control::State& state, kafka::PartitionTable& partitions,
             Links& links)
    : file_(file),
      gate_(std::move(file), kVotesOwner),
      state_(state),
      partitions_(partitions),
      links_(links) {}

void Votes::start(port::Effects& effects) {
  effects.add(port::ReadFile{file_, 0, kFileBytesMax, {kVotesOwner, kRead, 0}});
}

void Votes::step(kafka::Broker& broker, const port::DiskDone& done) {
  if (done.then.kind != kRead) return gate_.step(done, broker.effects);
  const bool missing = !done.status && done.status.error().kind == ErrorKind::kNotFound;
  Status status = missing ? Status() : done.status;
  if (status) status = gate_.restore(broker.now.instant, missing ? "" : done.data.text());
  votes_ = status.has_value();
  if (votes_) return;
  broker.effects.add(port::LogLine{
      port::Severity::kError, "votes_unreadable",
      fmt::format("{} cannot be read: {}. This site does not vote on failovers until it can; if it "
                  "is damaged, rebuild the node from an empty directory",
                  kAcceptedEpochsPath, status.error().message)});
}

void Votes::answer(kafka::Broker& broker, const Asked& asked) {
  if (const auto* promise = std::get_if<wire::LinkPromise>(&asked.question)) {
    on(broker, asked, *promise);
  } else if (const auto* accept = std::get_if<wire::LinkAccept>(&asked.question)) {
    on(broker, asked, *accept);
  } else if (const auto* inspect = std::get_if<wire::LinkInspect>(&asked.question)) {
    on(broker, asked, *inspect);
  }
}

void Votes::on(kafka::Broker& broker, const Asked& asked, const wire::LinkPromise& question) {
  wire::LinkPromiseAnswer answer;
  answer.number = question.number;
  const LeaderEpoch epoch{question.epoch};
  // The state here may know of a later term already.
  const LeaderEpoch known = state_.leadership(question.group).epoch;
  if (!votes_ || known > epoch) {
    answer.epoch = known.value;
    return links_.answer(asked.connection, answer, broker.effects);
  }
  const replication::PromiseAnswer promise = gate_.promise(
      broker.now.instant, question.group, epoch, Duration::milliseconds(question.duration_ms));
  answer.granted = promise.granted;
  answer.duration_ms = to_millis(promise.duration);
  answer.epoch = promise.epoch.value;
  links_.answer(asked.connection, answer, broker.effects);
}

void Votes::on(kafka::Broker& broker, const Asked& asked, const wire::LinkAccept& question) {
  if (!votes_) {
    wire::LinkAcceptAnswer answer;
    answer.number = question.number;
    return links_.answer(asked.connection, answer, broker.effects);
  }
  gate_.accept(
      broker.now.instant, question.group, LeaderEpoch{question.epoch},
      [this, connection = asked.connection, number = question.number](
          const replication::AcceptAnswer& accepted, port::Effects& effects) {
        wire::LinkAcceptAnswer answer;
        answer.number = number;
        answer.accepted = accepted.accepted;
        answer.epoch = accepted.epoch.value;
        answer.wait_ms = to_millis(accepted.wait);
        links_.answer(connection, answer, effects);
      },
      broker.effects);
}

void Votes::on(kafka::Broker& broker, const Asked& asked, const wire::LinkInspect& question) {
  wire::LinkInspectAnswer answer;
  answer.number = question.number;
  answer.group = question.group;
  answer.epoch = state_.leadership(question.group).epoch.value;
  for (auto& [route, hosted] : partitions_.all()) {
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
  }
  links_.answer(asked.connection, answer, broker.effects);
}

}  // namespace magpie::node
