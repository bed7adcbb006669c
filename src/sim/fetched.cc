#include "sim/fetched.h"

#include <fmt/format.h>

#include <algorithm>

#include "record/batch.h"
#include "record/reader.h"
#include "record/validate.h"

namespace magpie::sim {
namespace {

// Adds the records of one batch; false if it is damaged.
bool take_batch(const Buffer& batch, int64_t wanted, Fetched& fetched) {
  if (!record::checksum_matches(batch.bytes())) return false;
  auto reader = record::RecordReader::open(batch);
  if (!reader) return false;
  for (;;) {
    auto record = reader->next();
    if (!record) return false;
    if (!*record) break;
    const int64_t offset = (*record)->offset.value;
    const auto& view = **record;
    if (offset >= wanted)
      fetched.records[offset] = view.value ? *view.value : view.key.value_or("");
  }
  fetched.next = reader->header().next_offset().value;
  return true;
}

void check_borders(Scene& scene, Ledger& ledger, const wire::FetchResponsePartition& partition,
                   const Known& known) {
  if (known.copy) {
    ledger.saw_high_watermark_of_copy(partition.high_watermark, known.epoch);
  } else {
    ledger.saw_high_watermark(partition.high_watermark, known.high_watermark, known.epoch);
  }
  if (partition.log_start_offset >= 0 && !known.copy) {
    ledger.saw_log_start(partition.log_start_offset, known.log_start, known.epoch);
  }
  if (partition.last_stable_offset > partition.high_watermark) {
    scene.violate("G3", ledger.settings().name + ": the last stable offset is ahead");
  }
}

}  // namespace

Fetched look_at_fetched(Scene& scene, Ledger& ledger, const wire::FetchResponsePartition& partition,
                        int64_t wanted, const Known& known, bool whole) {
  const std::string& name = ledger.settings().name;
  check_borders(scene, ledger, partition, known);
  Fetched fetched;
  fetched.next = wanted;
  const Buffer bytes = partition.records ? flatten(*partition.records) : Buffer();
  const auto batches = record::split_batches(bytes);
  if (!batches) {
    scene.violate("G12", name + ": fetched bytes are no batches: " + batches.error().message);
    return fetched;
  }
  int32_t epoch = -1;
  for (const Buffer& batch : *batches) {
    const record::BatchHeader header = record::parse_header(batch.bytes());
    if (header.next_offset().value <= wanted) continue;
    // A leader among several begins a term above what it gave out before and does not hold any
    // more.
    const bool first = ledger.may_be_first(header.leader_epoch.value, header.base_offset.value);
    const bool gap = header.base_offset.value > fetched.next && !(first && !known.alone);
    const bool hole = gap && !ledger.settings().compacted;
    if (hole && header.base_offset.value > partition.log_start_offset &&
        !ledger.may_jump(fetched.next, header.base_offset.value)) {
      scene.violate("G4", fmt::format("{}: wanted offset {}, got a batch at {}", name, fetched.next,
                                      header.base_offset.value));
    }
    if (header.leader_epoch.value < epoch) {
      scene.violate("epochs", name + ": the epoch falls from one batch to the next");
    }
    epoch = fetched.epoch = header.leader_epoch.value;
    if (!take_batch(batch, wanted, fetched)) {
      scene.violate("G12",
                    fmt::format("{}: the batch at {} is damaged", name, header.base_offset.value));
      return fetched;
    }
  }
  if (fetched.next > std::max(wanted, partition.high_watermark)) {
    scene.violate("G3", fmt::format("{}: got records up to {}, the high watermark is {}", name,
                                    fetched.next, partition.high_watermark));
  }
  const bool some = wanted < partition.high_watermark && wanted >= partition.log_start_offset;
  const bool sent_away = partition.preferred_read_replica >= 0;
  if (whole && some && fetched.records.empty() && !sent_away && !ledger.settings().compacted) {
    scene.violate("G12", fmt::format("{}: nothing came from offset {}, the high watermark is {}",
                                     name, wanted, partition.high_watermark));
  }
  for (const auto& [offset, mark] : fetched.records) ledger.fetched(offset, mark, known.epoch);
  if (ledger.settings().compacted) ledger.passed(wanted, fetched.next, fetched.records);
  return fetched;
}

void ask_for(wire::FetchRequest& request, int version, const SimTopic& topic, int32_t partition,
             int64_t offset, int32_t max_bytes, int32_t epoch) {
  const auto is_it = [&](const wire::FetchRequestTopic& asked) {
    return version >= 13 ? asked.topic_id == topic.id : asked.topic == topic.name;
  };
  auto place = std::find_if(request.topics.begin(), request.topics.end(), is_it);
  if (place == request.topics.end()) {
    wire::FetchRequestTopic added;
    if (version >= 13) {
      added.topic_id = topic.id;
    } else {
      added.topic = topic.name;
    }
    place = request.topics.insert(place, std::move(added));
  }
  wire::FetchRequestPartition wanted;
  wanted.partition = partition;
  wanted.fetch_offset = offset;
  wanted.current_leader_epoch = epoch;
  wanted.partition_max_bytes = max_bytes;
  place->partitions.push_back(wanted);
}

const std::string& name_in(const Topics& topics, const wire::FetchResponseTopic& topic,
                           int version) {
  return version >= 13 ? topics.find(topic.topic_id).name : topics.find(topic.topic).name;
}

}  // namespace magpie::sim
