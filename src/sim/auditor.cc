#include "sim/auditor.h"

#include <fmt/format.h>

#include <utility>

namespace magpie::sim {

using wire::ErrorCode;

Auditor::Auditor(Surroundings around)
    : around_(around), random_(around.scene.random.fork()), brokers_(around.brokers("auditor")) {
  for (auto& [key, ledger] : around_.topics.ledgers()) {
    partitions_.push_back({key.first, key.second, ledger.get()});
  }
}

std::string Auditor::describe() const {
  if (is_done()) return "auditor: done";
  const Audited& audited = partitions_[current_];
  return fmt::format("auditor: at {} of {}-{}, which ends at {}", next_, audited.topic,
                     audited.partition, end_.value_or(-1));
}

void Auditor::again() {
  around_.scene.queue.after(Duration::milliseconds(20), [this] { next_step(); });
}

void Auditor::next_step() {
  if (is_done()) return;
  if (!start_) {
    began_ = around_.scene.now();
    return ask_border(-2, start_);
  }
  if (!end_) {
    next_ = *start_;
    return ask_border(-1, end_);
  }
  if (next_ < *end_) return read_on();
  partitions_[current_].ledger->read_to_the_end(*start_, *end_, records_, began_);
  records_.clear();
  start_.reset();
  end_.reset();
  ++current_;
  next_step();
}

void Auditor::ask_border(int64_t timestamp, std::optional<int64_t>& border) {
  const Audited& audited = partitions_[current_];
  wire::ListOffsetsRequest request;
  request.replica_id = -1;
  wire::ListOffsetsRequestTopic topic;
  topic.name = audited.topic;
  topic.partitions.push_back({.partition_index = audited.partition, .timestamp = timestamp});
  request.topics.push_back(std::move(topic));
  const int version = draw_version(random_, wire::ApiKey::kListOffsets, 1, 9);
  brokers_.leader(audited.topic, audited.partition)
      .call<wire::ListOffsetsResponse>(request, version, [this, &border](const auto& response) {
        if (response && response->topics.size() == 1) {
          const auto& partition = response->topics[0].partitions.at(0);
          if (partition.error_code == ErrorCode::kNone) border = partition.offset;
        }
        if (!border) brokers_.look_again();
        again();
      });
}

void Auditor::read_on() {
  const Audited& audited = partitions_[current_];
  const int version = draw_version(random_, wire::ApiKey::kFetch, around_.lowest_fetch(), 18);
  const int32_t epoch = brokers_.epoch(audited.topic, audited.partition);
  wire::FetchRequest request;
  request.max_wait_ms = 100;
  request.min_bytes = 1;
  ask_for(request, version, around_.topics.find(audited.topic), audited.partition, next_,
          1 << random_.between(10, 20), epoch);
  brokers_.leader(audited.topic, audited.partition)
      .call<wire::FetchResponse>(
          request, version,
          [this, known = Known::of(*audited.ledger, epoch, around_.bootstrap.alone)](
              const auto& response) {
            if (response && response->responses.size() == 1) {
              take(response->responses[0].partitions.at(0), known);
            }
            if (!response) brokers_.look_again();
            again();
          });
}

void Auditor::take(const wire::FetchResponsePartition& partition, const Known& known) {
  if (partition.error_code == ErrorCode::kOffsetOutOfRange) {
    start_.reset();  // retention was faster
    end_.reset();
    records_.clear();
    return;
  }
  if (partition.error_code != ErrorCode::kNone) return brokers_.look_again();
  Fetched fetched =
      look_at_fetched(around_.scene, *partitions_[current_].ledger, partition, next_, known, true);
  records_.merge(fetched.records);
  // Compaction may have left nothing at the end.
  next_ = fetched.next > next_ ? fetched.next : *end_;
}

}  // namespace magpie::sim
