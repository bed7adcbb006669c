#include "node/group_loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "control/topic_name.h"
#include "kafka/cluster_control.h"
#include "kafka/cluster_view.h"
#include "kafka/group_requests.h"
#include "kafka/positions_ahead.h"
#include "kafka/serving.h"
#include "record/reader.h"
#include "record/validate.h"

namespace magpie::node {
namespace {

constexpr uint64_t kPieceBytes = 1024 * 1024;
constexpr Duration kRetryDelay = Duration::milliseconds(1'000);

}  // namespace

void GroupLoader::start(kafka::Broker& broker) {
  CHECK(!started_);
  started_ = true;
  look(broker);
}

void GroupLoader::stop() {
  started_ = false;
  running_ = false;
  due_ = Instant::never();
}

void GroupLoader::tick(kafka::Broker& broker) {
  if (due_ > broker.now.instant) return;
  due_ = Instant::never();
  running_ ? read_next(broker) : look(broker);
}

// Looked for each time: a partition that could not be opened is replaced by a new one.
kafka::HostedPartition* GroupLoader::find_ours(kafka::Broker& broker) {
  if (broker.cluster.coordinator() != broker.config.node_id) {
    failure_.clear();
    return nullptr;
  }
  kafka::HostedPartition* hosted =
      broker.partitions.find(control::kConsumerOffsetsTopic, PartitionIndex{0});
  if (hosted != nullptr && hosted->partition->is_readable()) return hosted;
  due_ = broker.now.instant + kRetryDelay;
  if (hosted == nullptr) return nullptr;  // being opened
  put_off(broker, fmt::format("partition {}-0 is not readable", control::kConsumerOffsetsTopic));
  return nullptr;
}

void GroupLoader::look(kafka::Broker& broker) {
  if (!started_) return;
  const kafka::HostedPartition* ours = find_ours(broker);
  const bool leads = ours != nullptr && ours->partition->role() == partition::Role::kLeader &&
                     !ours->partition->holds_commits();
  const LeaderEpoch term = leads ? ours->partition->leader_epoch() : kNoLeaderEpoch;
  if (term == term_) return;
  if (term_ != kNoLeaderEpoch) end_term(broker);
  if (leads && kafka::knows_its_end(*ours)) begin_term(broker, term);
}

void GroupLoader::begin_term(kafka::Broker& broker, LeaderEpoch term) {
  term_ = term;
  ++load_;
  next_ = {};
  running_ = true;
  due_ = Instant::never();
  broker.groups.begin_loading();
  read_next(broker);
}

void GroupLoader::end_term(kafka::Broker& broker) {
  term_ = kNoLeaderEpoch;
  running_ = false;
  broker.groups.stop(broker);
  broker.effects.add(port::LogLine{port::Severity::kInfo, "groups_left",
                                   "this node does not coordinate consumer groups any more"});
}

void GroupLoader::read_next(kafka::Broker& broker) {
  kafka::HostedPartition* hosted = find_ours(broker);
  if (hosted == nullptr) return;
  next_ = std::max(next_, hosted->partition->log_start());
  if (next_ >= hosted->partition->high_watermark()) return finish(broker);
  const uint64_t ticket = kafka::Ticket{kafka::TicketKind::kGroupLoad, load_, 0}.pack();
  auto batches = broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
    return partition.read(broker.now, ticket, next_, kPieceBytes, true, out);
  });
  if (batches) take(broker, *batches);
}

void GroupLoader::read_done(kafka::Broker& broker, partition::ReadDone& done) {
  if (!running_ || kafka::Ticket::unpack(done.ticket).operation != load_) return;
  if (done.status) return take(broker, done.batches);
  const Error& error = done.status.error();
  const bool final = error.kind == ErrorKind::kCorrupt || error.kind == ErrorKind::kNotFound;
  final ? fail(broker, error.message) : put_off(broker, error.message);
}

void GroupLoader::take(kafka::Broker& broker, const BufferChain& batches) {
  // An empty piece below the high watermark: compaction removed all that is left.
  if (batches.empty()) return finish(broker);
  for (const Buffer& piece : batches) {
    const auto split = record::split_batches(piece);
    if (!split) return fail(broker, split.error().message);
    for (const Buffer& batch : *split) {
      const Status loaded = load(batch);
      if (!loaded) return fail(broker, loaded.error().message);
    }
  }
  due_ = broker.now.instant;
}

Status GroupLoader::load(const Buffer& batch) {
  auto reader = record::RecordReader::open(batch);
  if (!reader) return magpie::fail(reader.error());
  for (;;) {
    auto record = reader->next();
    if (!record) return magpie::fail(record.error());
    if (!*record) break;
    group::Record stored;
    stored.key = Buffer::copy_of((*record)->key.value_or(""));
    if ((*record)->value) stored.value = Buffer::copy_of(*(*record)->value);
    const Status loaded = coordinator_.load(stored);
    if (!loaded) {
      return magpie::fail(
          loaded.error().kind,
          fmt::format("record at offset {}: {}", (*record)->offset.value, loaded.error().message));
    }
  }
  next_ = reader->header().next_offset();
  return {};
}

void GroupLoader::finish(kafka::Broker& broker) {
  running_ = false;
  if (!failure_.empty()) {
    broker.effects.add(
        port::LogLine{port::Severity::kInfo, "groups_loaded", "consumer groups are served now"});
  }
  failure_.clear();
  broker.groups.finish_loading(broker);
  kafka::report_positions_ahead(broker);
}

void GroupLoader::put_off(kafka::Broker& broker, const std::string& reason) {
  due_ = broker.now.instant + kRetryDelay;
  if (failure_ == reason) return;
  failure_ = reason;
  broker.effects.add(port::LogLine{
      port::Severity::kWarning, "groups_delayed",
      fmt::format("consumer groups are not served yet: {}. Records can be produced and fetched; "
                  "it is tried again every second",
                  reason)});
}

void GroupLoader::fail(kafka::Broker& broker, const std::string& reason) {
  running_ = false;
  failure_ = reason;
  broker.effects.add(port::LogLine{
      port::Severity::kError, "groups_not_loaded",
      fmt::format("consumer groups are not served: {}. Records can still be produced and fetched; "
                  "restore the internal topic and restart",
                  reason)});
}

}  // namespace magpie::node
