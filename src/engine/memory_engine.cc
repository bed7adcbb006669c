#include "engine/memory_engine.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "record/reader.h"
#include "record/rebuild.h"

namespace magpie::engine {
namespace {

constexpr uint64_t kCheckpointEveryBytes = 1024 * 1024;

using Batch = MemoryImage::Batch;

// Calls `visit` for every record of `batches` below `limit`, until it returns false.
template <typename Visit>
Status each_record(const std::deque<Batch>& batches, Offset limit, Visit visit) {
  for (const Batch& batch : batches) {
    if (batch.header.base_offset >= limit) break;
    Result<record::RecordReader> reader = record::RecordReader::open(batch.bytes);
    if (!reader) return fail(reader.error());
    while (true) {
      const auto record = reader->next();
      if (!record) return fail(record.error());
      if (!*record || (*record)->offset >= limit) break;
      if (!visit(batch.header, **record)) return {};
    }
  }
  return {};
}

}  // namespace

MemoryEngine::MemoryEngine(MemoryImage& image, const EngineConfig& config)
    : image_(image), config_(config) {}

void MemoryEngine::open(const Now&, OpenMode mode, Output& out) {
  if (mode == OpenMode::kCreate && image_.exists) {
    out.events.emplace_back(OpenFailed{{ErrorKind::kAlreadyExists, "the log exists already"}});
    return;
  }
  if (mode == OpenMode::kExisting && !image_.exists) {
    out.events.emplace_back(OpenFailed{{ErrorKind::kNotFound, "the log does not exist"}});
    return;
  }
  image_.exists = true;
  image_.expects_gaps |= config_.may_have_gaps;
  replay(out);
  out.events.emplace_back(Opened{image_.start, image_.end});
}

void MemoryEngine::replay(Output& out) {
  out.events.emplace_back(ReplayBegan{image_.checkpoint_at, image_.checkpoint});
  Replayed replayed;
  for (const Batch& batch : batches()) {
    if (batch.header.base_offset >= image_.checkpoint_at) replayed.headers.push_back(batch.header);
  }
  if (!replayed.headers.empty()) out.events.emplace_back(std::move(replayed));
}

void MemoryEngine::fail_writes(const Error& error, bool reopen_works, Output& out) {
  volatile_.clear();
  failure_ = error;
  reopen_works_ = reopen_works;
  out.events.emplace_back(Failed{image_.end, error});
}

void MemoryEngine::reopen(const Now&, Output& out) {
  CHECK(failure_);
  if (!reopen_works_) {
    out.events.emplace_back(Failed{image_.end, *failure_});
    return;
  }
  failure_.reset();
  replay(out);
  out.events.emplace_back(Opened{image_.start, image_.end});
}

void MemoryEngine::append(const Now&, Append append, Output& out) {
  CHECK(image_.exists && !failure_ && append.header.base_offset >= end());
  appended_bytes_ += append.batch.size();
  volatile_.push_back({append.header, std::move(append.batch)});
  if (!held_) settle(out);
}

void MemoryEngine::settle(Output& out) {
  held_ = false;
  if (volatile_.empty()) return;
  image_.end = end();
  for (Batch& batch : volatile_) image_.batches.push_back(std::move(batch));
  volatile_.clear();
  out.events.emplace_back(Durable{image_.end});
}

Offset MemoryEngine::end() const {
  return volatile_.empty() ? image_.end : volatile_.back().header.next_offset();
}

std::optional<BufferChain> MemoryEngine::read(const Now&, const Read& read, Output&) {
  CHECK(read.from >= start());
  BufferChain chain;
  uint64_t bytes = 0;
  for (const std::deque<Batch>* part : {&image_.batches, &volatile_}) {
    for (const Batch& batch : *part) {
      if (batch.header.next_offset() <= read.from) continue;
      if (batch.header.next_offset() > read.limit) return chain;
      bytes += batch.bytes.size();
      if (bytes > read.max_bytes && !(chain.empty() && read.at_least_one)) return chain;
      chain.push_back(batch.bytes);
    }
  }
  return chain;
}

void MemoryEngine::find_timestamp(const Now&, uint64_t ticket, int64_t timestamp, Offset limit,
                                  Output& out) {
  TimestampFound found{.ticket = ticket, .status = {}, .offset = std::nullopt};
  found.status = each_record(batches(), limit, [&](const auto&, const record::RecordView& record) {
    if (record.offset < start() || record.timestamp < timestamp) return true;
    found.offset = record.offset;
    found.timestamp = record.timestamp;
    return false;
  });
  out.events.emplace_back(std::move(found));
}

void MemoryEngine::find_max_timestamp(const Now&, uint64_t ticket, Offset limit, Output& out) {
  TimestampFound found{.ticket = ticket, .status = {}, .offset = std::nullopt};
  found.status = each_record(batches(), limit, [&](const auto&, const record::RecordView& record) {
    if (record.offset >= start() && record.timestamp > found.timestamp) {
      found.offset = record.offset;
      found.timestamp = record.timestamp;
    }
    return true;
  });
  out.events.emplace_back(std::move(found));
}

void MemoryEngine::cut(const Now&, Offset end, Output& out) {
  CHECK(start() <= end && end <= this->end());
  while (!volatile_.empty() && volatile_.back().header.base_offset >= end) volatile_.pop_back();
  settle(out);
  auto& kept = image_.batches;
  while (!kept.empty() && kept.back().header.base_offset >= end) kept.pop_back();
  CHECK(kept.empty() || kept.back().header.next_offset() <= end);
  image_.end = end;
  if (image_.checkpoint_at > end) {
    image_.checkpoint = Buffer();
    image_.checkpoint_at = kept.empty() ? image_.start : kept.front().header.base_offset;
  }
  replay(out);
  out.events.emplace_back(CutDone{end});
}

void MemoryEngine::begin_anew(const Now&, Offset at, Output& out) {
  CHECK(image_.exists && !failure_ && at >= Offset{0});
  volatile_.clear();
  image_.batches.clear();
  image_.start = image_.end = image_.checkpoint_at = at;
  image_.checkpoint = Buffer();
  replay(out);
  out.events.emplace_back(CutDone{at});
}

void MemoryEngine::trim(const Now&, Offset start, Output& out) {
  CHECK(start <= end());
  image_.start = std::max(image_.start, start);
  drop_old();
  out.events.emplace_back(Trimmed{image_.start});
}

void MemoryEngine::drop_old() {
  const Offset needed = std::min(image_.start, image_.checkpoint_at);
  while (!batches().empty() && batches().front().header.next_offset() <= needed) {
    image_.batches.pop_front();
  }
}

Offset MemoryEngine::retained_start(const Now& now, const Retention& retention,
                                    Offset limit) const {
  uint64_t size = size_bytes();
  Offset kept_from = start();
  for (const Batch& batch : batches()) {
    const bool too_old = retention.max_age && now.wall.millis - batch.header.max_timestamp >
                                                  retention.max_age->to_milliseconds();
    const bool too_much = retention.max_bytes &&
                          static_cast<int64_t>(size - batch.bytes.size()) >= *retention.max_bytes;
    if (!(too_old || too_much) || batch.header.next_offset() > limit) break;
    size -= batch.bytes.size();
    kept_from = std::max(kept_from, batch.header.next_offset());
  }
  return kept_from;
}

void MemoryEngine::compact(const Now& now, Offset limit, Duration tombstone_age, Output& out) {
  image_.expects_gaps = true;
  std::map<std::string, Offset> last_of_key;
  std::map<ProducerId, Offset> last_of_producer;
  Compacted compacted{.status = {}, .bytes_before = size_bytes(), .bytes_after = 0};
  compacted.status = each_record(batches(), limit, [&](const auto&, const auto& record) {
    if (record.key) last_of_key[std::string(*record.key)] = record.offset;
    return true;
  });
  for (const Batch& batch : batches()) {
    last_of_producer[batch.header.producer_id] = batch.header.base_offset;
  }
  std::deque<Batch> kept;
  std::optional<int64_t> horizon;
  if (tombstone_age != Duration::max()) {
    horizon = now.wall.millis + tombstone_age.to_milliseconds();
  }
  for (Batch& batch : image_.batches) {
    if (!compacted.status) break;
    const auto batch_horizon = record::delete_horizon_of(batch.header);
    const bool drop_tombstones = horizon && batch_horizon && *batch_horizon <= now.wall.millis;
    const auto keep = [&](const record::RecordView& record) {
      if (!record.key || record.offset >= limit) return true;
      if (record.is_tombstone() && drop_tombstones) return false;
      return last_of_key[std::string(*record.key)] == record.offset;
    };
    Result<Buffer> bytes = batch.header.next_offset() <= limit
                               ? record::keep_records(batch.bytes, keep, horizon)
                               : Result<Buffer>(batch.bytes);
    if (!bytes) {
      compacted.status = fail(bytes.error());
      break;
    }
    const record::BatchHeader header = record::parse_header(bytes->bytes());
    const bool of_producer = header.producer_id != kNoProducerId &&
                             last_of_producer[header.producer_id] == header.base_offset;
    if (header.record_count == 0 && !of_producer) continue;
    kept.push_back({header, std::move(*bytes)});
  }
  if (compacted.status) image_.batches = std::move(kept);
  compacted.bytes_after = size_bytes();
  out.events.emplace_back(std::move(compacted));
}

void MemoryEngine::save_checkpoint(const Now&, Offset at, Buffer state, Output&) {
  CHECK(at <= end());
  appended_bytes_ = 0;
  if (at > image_.end) return;  // not durable yet; the next one will do
  image_.checkpoint_at = at;
  image_.checkpoint = std::move(state);
  drop_old();
}

bool MemoryEngine::wants_checkpoint() const {
  return appended_bytes_ >= kCheckpointEveryBytes;
}

void MemoryEngine::close(const Now&, Output& out) {
  if (!failure_) settle(out);
  Closed closed;
  if (failure_) closed.status = fail(*failure_);
  out.events.emplace_back(std::move(closed));
}

void MemoryEngine::step(const Now&, const port::DiskDone&, Output&) {
  CHECK(false);  // it asks the disk for nothing
}

void MemoryEngine::tick(const Now&, Output&) {}

uint64_t MemoryEngine::size_bytes() const {
  uint64_t size = 0;
  for (const Batch& batch : batches()) size += batch.bytes.size();
  for (const Batch& batch : volatile_) size += batch.bytes.size();
  return size;
}

int64_t MemoryEngine::max_timestamp() const {
  int64_t largest = -1;
  for (const Batch& batch : batches()) largest = std::max(largest, batch.header.max_timestamp);
  for (const Batch& batch : volatile_) largest = std::max(largest, batch.header.max_timestamp);
  return largest;
}

}  // namespace magpie::engine
