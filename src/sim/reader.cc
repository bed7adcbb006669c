#include "sim/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wire/list_offsets.h"

namespace magpie::sim {

using wire::ErrorCode;

Reader::Reader(Surroundings around, int32_t number)
    : around_(around),
      number_(number),
      random_(around.scene.random.fork()),
      brokers_(around.brokers(fmt::format("reader-{}", number))) {
  for (auto& [key, ledger] : around_.topics.ledgers()) {
    positions_.push_back({key.first, key.second, ledger.get(), 0});
  }
}

bool Reader::is_done() const {
  return std::all_of(positions_.begin(), positions_.end(), [](const Position& position) {
    return position.next >= position.ledger->high_watermark();
  });
}

std::string Reader::describe() const {
  std::string text = fmt::format("reader {}:", number_);
  for (const Position& position : positions_) {
    text += fmt::format(" {}-{} at {} of {}", position.topic, position.partition, position.next,
                        position.ledger->high_watermark());
  }
  return text;
}

void Reader::fetch_soon() {
  around_.scene.queue.after(draw_pause(random_, around_.think_max()), [this] { fetch(); });
}

void Reader::fetch() {
  const int version = draw_version(random_, wire::ApiKey::kFetch, around_.lowest_fetch(), 18);
  wire::FetchRequest request;
  request.max_wait_ms = static_cast<int32_t>(random_.between(0, 1'000));
  request.min_bytes = static_cast<int32_t>(random_.between(0, 2'000));
  request.max_bytes = 1 << random_.between(6, 20);
  asked_.clear();
  const bool all = random_.chance(1, 2);
  const size_t only = random_.below(positions_.size());
  request.rack_id = around_.rack;
  Session& session = source(positions_[only]);
  for (size_t i = 0; i < positions_.size(); ++i) {
    const Position& position = positions_[i];
    if (i != only && (!all || &source(position) != &session)) continue;
    const int32_t epoch = brokers_.epoch(position.topic, position.partition);
    ask_for(request, version, around_.topics.find(position.topic), position.partition,
            position.next, 1 << random_.between(6, 20), epoch);
    const Known known = position.near >= 0
                            ? Known::of_copy(epoch)
                            : Known::of(*position.ledger, epoch, around_.bootstrap.alone);
    asked_[{position.topic, position.partition}] = {i, position.next, known};
  }
  session.call<wire::FetchResponse>(
      request, version, [this, version](const auto& response) { answered(version, response); });
}

void Reader::answered(int version, const std::optional<wire::FetchResponse>& response) {
  if (!response || response->error_code != ErrorCode::kNone) {
    for (const auto& [key, asked] : asked_) positions_[asked.position].near = -1;
    brokers_.look_again();
    return fetch_soon();
  }
  const bool whole = asked_.size() == 1;
  for (const auto& topic : response->responses) {
    const std::string& name = name_in(around_.topics, topic, version);
    for (const auto& partition : topic.partitions) {
      const auto found = asked_.find({name, partition.partition_index});
      if (found == asked_.end()) {
        return around_.scene.violate("protocol", "a fetch answer names a partition not asked for");
      }
      take(found->second, partition, whole);
    }
  }
  fetch_soon();
}

void Reader::take(const Asked& asked, const wire::FetchResponsePartition& partition, bool whole) {
  Position& position = positions_[asked.position];
  if (partition.error_code != ErrorCode::kNone && position.near >= 0) {
    around_.scene.probe("near_copy_has_trouble");
    position.near = -1;
    brokers_.look_again();
    return;
  }
  if (partition.error_code == ErrorCode::kOffsetOutOfRange) return out_of_range(asked);
  if (partition.error_code != ErrorCode::kNone) {
    brokers_.look_again();
    return around_.scene.note("fetch error", static_cast<int>(partition.error_code));
  }
  const Fetched fetched =
      look_at_fetched(around_.scene, *position.ledger, partition, asked.wanted, asked.known, whole);
  position.next = fetched.next;
  if (position.near >= 0 && !fetched.records.empty()) around_.scene.probe("read_near");
  if (partition.preferred_read_replica >= 0) position.near = partition.preferred_read_replica;
  // Now and then it asks the leader whether that is still so.
  if (position.near >= 0 && random_.chance(1, 40)) position.near = -1;
}

void Reader::out_of_range(const Asked& asked) {
  Position& position = positions_[asked.position];
  const Ledger& ledger = *position.ledger;
  const bool trims = ledger.settings().may_trim || ledger.trim_asked() > asked.wanted ||
                     ledger.failed_over_with_loss();
  if (!trims && !ledger.lost_power()) {
    around_.scene.violate(
        "G1", fmt::format("{}: offset {} is out of range, it was below the high "
                          "watermark {}",
                          ledger.settings().name, asked.wanted, asked.known.high_watermark));
  }
  around_.scene.probe("reader_out_of_range");
  find_start(asked.position);
}

void Reader::find_start(size_t index) {
  const Position& position = positions_[index];
  wire::ListOffsetsRequest request;
  request.replica_id = -1;
  wire::ListOffsetsRequestTopic topic;
  topic.name = position.topic;
  topic.partitions.push_back({.partition_index = position.partition, .timestamp = -2});
  request.topics.push_back(std::move(topic));
  const int version = draw_version(random_, wire::ApiKey::kListOffsets, 1, 9);
  brokers_.leader(position.topic, position.partition)
      .call<wire::ListOffsetsResponse>(request, version, [this, index](const auto& response) {
        if (!response || response->topics.size() != 1) return;
        const auto& partition = response->topics[0].partitions.at(0);
        if (partition.error_code == ErrorCode::kNone) positions_[index].next = partition.offset;
      });
}

}  // namespace magpie::sim
