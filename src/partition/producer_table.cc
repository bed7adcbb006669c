#include "partition/producer_table.h"

#include <algorithm>

#include "base/check.h"

namespace magpie::partition {
namespace {

constexpr int64_t kSequenceSpace = int64_t{1} << 31;

// How far `sequence` lies ahead of `expected`, counting around the wrap, in [0, 2^31).
int64_t distance(int32_t expected, int32_t sequence) {
  return (int64_t{sequence} - expected + kSequenceSpace) % kSequenceSpace;
}

// The nearer way round tells a gap from something stored before.
bool is_behind(int64_t ahead) {
  return ahead >= kSequenceSpace / 2;
}

ProducerTable::StoredBatch summary(const record::BatchHeader& header) {
  return {header.base_sequence, sequence_plus(header.base_sequence, header.last_offset_delta),
          header.base_offset, header.last_offset(), header.max_timestamp};
}

}  // namespace

int32_t sequence_plus(int32_t sequence, int64_t count) {
  CHECK(sequence >= 0 && count >= 0);
  return static_cast<int32_t>((sequence + count) % kSequenceSpace);
}

bool sequence_precedes(int32_t a, int32_t b) {
  return is_behind(distance(b, a));
}

ProducerTable::Answer ProducerTable::check(const record::BatchHeader& header) const {
  const auto found = producers_.find(header.producer_id);
  if (found == producers_.end()) {
    if (header.base_sequence == 0) return {SequenceVerdict::kNew, {}};
    const bool lost = last_loss_ != kNoLeaderEpoch;
    return {lost ? SequenceVerdict::kJump : SequenceVerdict::kUnknownProducer, {}};
  }
  const Producer& producer = found->second;
  if (header.producer_epoch < producer.epoch) return {SequenceVerdict::kFenced, {}};
  if (header.producer_epoch > producer.epoch) {
    if (header.base_sequence == 0) return {SequenceVerdict::kNew, {}};
    return {may_jump(producer) ? SequenceVerdict::kJump : SequenceVerdict::kOutOfOrder, {}};
  }
  const StoredBatch offered = summary(header);
  for (uint8_t i = 0; i < producer.count; ++i) {
    const StoredBatch& stored = producer.window[i];
    if (stored.first_sequence == offered.first_sequence &&
        stored.last_sequence == offered.last_sequence) {
      return {SequenceVerdict::kDuplicate, stored};
    }
  }
  const int64_t ahead =
      distance(sequence_plus(producer.newest().last_sequence, 1), header.base_sequence);
  if (ahead == 0) return {SequenceVerdict::kNew, {}};
  const bool behind = is_behind(ahead);
  if (behind && fills_gap(producer, offered)) return {SequenceVerdict::kNew, {}};
  if (!behind && may_jump(producer)) return {SequenceVerdict::kJump, {}};
  if (!behind || !surely_stored(producer, offered)) return {SequenceVerdict::kOutOfOrder, {}};
  const auto* last = std::max_element(
      producer.window.begin(), producer.window.begin() + producer.count,
      [](const StoredBatch& a, const StoredBatch& b) { return a.last_offset < b.last_offset; });
  return {SequenceVerdict::kOldDuplicate, *last};
}

// Of what lies behind the newest batch, and not among those remembered. Only the last jump is
// known: without losses there was none, and nothing was left out after it.
bool ProducerTable::surely_stored(const Producer& producer, const StoredBatch& batch) const {
  if (last_loss_ == kNoLeaderEpoch) return true;
  return producer.gap.first >= 0 &&
         !is_behind(distance(sequence_plus(producer.gap.last, 1), batch.first_sequence));
}

void ProducerTable::apply(const record::BatchHeader& header, Instant now) {
  if (header.producer_id == kNoProducerId || header.is_control()) return;
  auto found = producers_.find(header.producer_id);
  if (found == producers_.end()) {
    make_room();
    found = producers_.emplace(header.producer_id, Producer{}).first;
    found->second.last_seen = now;
    by_last_seen_.emplace(now, header.producer_id);
  }
  Producer& producer = found->second;
  if (producer.epoch != header.producer_epoch) {
    producer.epoch = header.producer_epoch;
    producer.count = 0;
    producer.gap = {};
  }
  const bool after_loss = last_loss_ != kNoLeaderEpoch && header.leader_epoch >= last_loss_;
  remember(producer, summary(header), after_loss);
  // What fills a gap is not the newest.
  if (producer.newest().base_offset == header.base_offset) {
    producer.written_in = header.leader_epoch;
  }
  touch(header.producer_id, producer, now);
}

bool ProducerTable::fills_gap(const Producer& producer, const StoredBatch& batch) {
  const Gap& gap = producer.gap;
  if (gap.first < 0) return false;
  const int64_t size = distance(gap.first, gap.last);
  return distance(gap.first, batch.first_sequence) <= size &&
         distance(gap.first, batch.last_sequence) <= size;
}

void ProducerTable::remember(Producer& producer, const StoredBatch& batch, bool may_have_jumped) {
  auto& window = producer.window;
  if (producer.count == 0 && batch.first_sequence > 0 && may_have_jumped) {
    producer.gap = {0, batch.first_sequence - 1};
  }
  const auto drop_oldest = [&] {
    if (producer.count < kWindow) return;
    std::move(window.begin() + 1, window.end(), window.begin());
    --producer.count;
  };
  if (producer.count > 0) {
    const int32_t expected = sequence_plus(producer.newest().last_sequence, 1);
    const int64_t ahead = distance(expected, batch.first_sequence);
    if (is_behind(ahead) && !fills_gap(producer, batch)) {
      // Where it was accepted the producer had been forgotten; it has begun anew.
      producer.count = 0;
      producer.gap = {};
    } else if (is_behind(ahead)) {
      // It fills a gap. The newest stays the newest; what comes again from the gap is a duplicate.
      drop_oldest();
      window[producer.count] = producer.newest();
      window[producer.count - 1] = batch;
      ++producer.count;
      const bool last = producer.gap.last == batch.last_sequence;
      producer.gap = last ? Gap{} : Gap{sequence_plus(batch.last_sequence, 1), producer.gap.last};
      return;
    } else if (ahead > 0) {
      const int64_t before = (int64_t{batch.first_sequence} + kSequenceSpace - 1) % kSequenceSpace;
      producer.gap = {expected, static_cast<int32_t>(before)};
    }
  }
  drop_oldest();
  window[producer.count++] = batch;
}

void ProducerTable::touch(ProducerId id, Producer& producer, Instant now) {
  if (producer.last_seen == now) return;
  auto node = by_last_seen_.extract({producer.last_seen, id});
  CHECK(!node.empty());
  node.value().first = now;
  by_last_seen_.insert(std::move(node));
  producer.last_seen = now;
}

void ProducerTable::make_room() {
  while (producers_.size() >= capacity_ && !producers_.empty()) {
    producers_.erase(by_last_seen_.begin()->second);
    by_last_seen_.erase(by_last_seen_.begin());
  }
}

void ProducerTable::expire(Instant now, Duration age) {
  while (!by_last_seen_.empty() && by_last_seen_.begin()->first + age <= now) {
    producers_.erase(by_last_seen_.begin()->second);
    by_last_seen_.erase(by_last_seen_.begin());
  }
}

Instant ProducerTable::next_expiry(Duration age) const {
  return by_last_seen_.empty() ? Instant::never() : by_last_seen_.begin()->first + age;
}

void ProducerTable::clear() {
  producers_.clear();
  by_last_seen_.clear();
}

void ProducerTable::encode(ByteWriter& out) const {
  out.write_int32(static_cast<int32_t>(producers_.size()));
  for (const auto& [id, producer] : producers_) {
    out.write_int64(id.value);
    out.write_int16(producer.epoch.value);
    out.write_int32(producer.written_in.value);
    out.write_int32(producer.gap.first);
    out.write_int32(producer.gap.last);
    out.write_int8(static_cast<int8_t>(producer.count));
    for (uint8_t i = 0; i < producer.count; ++i) {
      const StoredBatch& batch = producer.window[i];
      out.write_int32(batch.first_sequence);
      out.write_int32(batch.last_sequence);
      out.write_int64(batch.base_offset.value);
      out.write_int64(batch.last_offset.value);
      out.write_int64(batch.max_timestamp);
    }
  }
}

bool ProducerTable::decode(ByteReader& in, Instant now, bool with_epochs) {
  clear();
  const int32_t count = in.read_int32();
  for (int32_t i = 0; i < count && in.ok(); ++i) {
    const ProducerId id{in.read_int64()};
    Producer producer;
    producer.epoch.value = in.read_int16();
    if (with_epochs) producer.written_in.value = in.read_int32();
    producer.gap.first = in.read_int32();
    producer.gap.last = in.read_int32();
    const int8_t window = in.read_int8();
    if (window < 1 || window > static_cast<int8_t>(kWindow) || id.value < 0) in.set_failed();
    for (int8_t j = 0; j < window && in.ok(); ++j) {
      StoredBatch& batch = producer.window[static_cast<size_t>(j)];
      batch.first_sequence = in.read_int32();
      batch.last_sequence = in.read_int32();
      batch.base_offset.value = in.read_int64();
      batch.last_offset.value = in.read_int64();
      batch.max_timestamp = in.read_int64();
      if (batch.first_sequence < 0 || batch.last_sequence < 0) in.set_failed();
      producer.count = static_cast<uint8_t>(j + 1);
    }
    if (!in.ok()) break;
    make_room();
    producer.last_seen = now;
    if (producers_.emplace(id, producer).second) by_last_seen_.emplace(now, id);
  }
  if (in.ok() && count >= 0) return true;
  clear();
  return false;
}

}  // namespace magpie::partition
