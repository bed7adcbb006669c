#include "log/segment_index.h"

#include <algorithm>

#include "base/big_endian.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace magpie::log {
namespace {

using OffsetEntry = SegmentIndex::OffsetEntry;
using TimeEntry = SegmentIndex::TimeEntry;

// Every k-th entry, so that at most kLoadedEntriesMax are left.
template <typename Entry>
void thin(std::vector<Entry>& entries) {
  if (entries.size() <= kLoadedEntriesMax) return;
  const size_t step = (entries.size() + kLoadedEntriesMax - 1) / kLoadedEntriesMax;
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); i += step) entries[kept++] = entries[i];
  entries.resize(kept);
  entries.shrink_to_fit();
}

Buffer encode(std::span<const OffsetEntry> entries) {
  Buffer bytes = Buffer::allocate(entries.size() * kOffsetEntryBytes);
  size_t at = 0;
  for (const OffsetEntry& entry : entries) {
    store_big_endian(bytes.mutable_bytes(), at, entry.last_offset);
    store_big_endian(bytes.mutable_bytes(), at + 4, entry.position);
    at += kOffsetEntryBytes;
  }
  return bytes;
}

Buffer encode(std::span<const TimeEntry> entries) {
  Buffer bytes = Buffer::allocate(entries.size() * kTimeEntryBytes);
  size_t at = 0;
  for (const TimeEntry& entry : entries) {
    store_big_endian(bytes.mutable_bytes(), at, entry.timestamp);
    store_big_endian(bytes.mutable_bytes(), at + 8, entry.last_offset);
    at += kTimeEntryBytes;
  }
  return bytes;
}

// The last entry for which `is_before` holds; entries are ordered by it.
template <typename Entry, typename Before>
const Entry* last_before(const std::vector<Entry>& entries, Before is_before) {
  const auto after = std::partition_point(entries.begin(), entries.end(), is_before);
  return after == entries.begin() ? nullptr : &*std::prev(after);
}

}  // namespace

void SegmentIndex::add(const record::BatchHeader& header, uint64_t position, int32_t interval,
                       const LargestTimestamp& largest) {
  CHECK(position <= INT32_MAX && header.last_offset() - base_ <= INT32_MAX);
  if (bytes_since_entry_ > static_cast<uint64_t>(std::max(interval, 0))) {
    fresh_offsets_.push_back(
        {static_cast<uint32_t>(header.last_offset() - base_), static_cast<uint32_t>(position)});
    add_time(largest);
    bytes_since_entry_ = 0;
  }
  bytes_since_entry_ += header.size_bytes();
}

void SegmentIndex::add_time(const LargestTimestamp& largest) {
  const int64_t last = fresh_times_.empty() ? stored_.last_time : fresh_times_.back().timestamp;
  if (largest.timestamp <= last) return;
  fresh_times_.push_back({largest.timestamp, static_cast<uint32_t>(largest.last_offset - base_)});
}

void SegmentIndex::seal(const LargestTimestamp& largest) {
  if (complete()) add_time(largest);
}

void SegmentIndex::cut(uint64_t position) {
  while (!fresh_offsets_.empty() && fresh_offsets_.back().position >= position) {
    fresh_offsets_.pop_back();
  }
  // A time entry belongs to the offset entry made with it or to an earlier batch; whichever it is,
  // entries for offsets beyond the last offset entry may go.
  const int64_t last = fresh_offsets_.empty() ? -1 : int64_t{fresh_offsets_.back().last_offset};
  while (!fresh_times_.empty() && int64_t{fresh_times_.back().last_offset} > last) {
    fresh_times_.pop_back();
  }
}

SegmentIndex::Fresh SegmentIndex::fresh_before(uint64_t position) const {
  const auto offsets_end =
      std::partition_point(fresh_offsets_.begin(), fresh_offsets_.end(),
                           [&](const OffsetEntry& entry) { return entry.position < position; });
  const bool all = offsets_end == fresh_offsets_.end();
  const int64_t last =
      offsets_end == fresh_offsets_.begin() ? -1 : int64_t{std::prev(offsets_end)->last_offset};
  const auto times_end = std::partition_point(
      fresh_times_.begin(), fresh_times_.end(),
      [&](const TimeEntry& entry) { return all || int64_t{entry.last_offset} <= last; });
  Fresh fresh;
  fresh.offset_count = static_cast<size_t>(offsets_end - fresh_offsets_.begin());
  fresh.time_count = static_cast<size_t>(times_end - fresh_times_.begin());
  fresh.offsets = encode(std::span(fresh_offsets_).first(fresh.offset_count));
  fresh.times = encode(std::span(fresh_times_).first(fresh.time_count));
  fresh.stored = stored_;
  fresh.stored.offset_entries += static_cast<uint32_t>(fresh.offset_count);
  fresh.stored.time_entries += static_cast<uint32_t>(fresh.time_count);
  fresh.stored.offset_crc = crc32c(fresh.offsets.bytes(), stored_.offset_crc);
  fresh.stored.time_crc = crc32c(fresh.times.bytes(), stored_.time_crc);
  if (fresh.time_count > 0) fresh.stored.last_time = std::prev(times_end)->timestamp;
  return fresh;
}

void SegmentIndex::on_stored(const Fresh& fresh) {
  CHECK(fresh.offset_count <= fresh_offsets_.size() && fresh.time_count <= fresh_times_.size());
  const auto offsets_end = fresh_offsets_.begin() + static_cast<ptrdiff_t>(fresh.offset_count);
  const auto times_end = fresh_times_.begin() + static_cast<ptrdiff_t>(fresh.time_count);
  if (loaded_) {
    loaded_->offsets.insert(loaded_->offsets.end(), fresh_offsets_.begin(), offsets_end);
    loaded_->times.insert(loaded_->times.end(), fresh_times_.begin(), times_end);
    thin(loaded_->offsets);
    thin(loaded_->times);
  }
  fresh_offsets_.erase(fresh_offsets_.begin(), offsets_end);
  fresh_times_.erase(fresh_times_.begin(), times_end);
  if (!has_fresh()) {
    fresh_offsets_ = {};
    fresh_times_ = {};
  }
  stored_ = fresh.stored;
}

Status SegmentIndex::load(const Buffer& offsets, const Buffer& times) {
  if (offsets.size() != size_t{stored_.offset_entries} * kOffsetEntryBytes ||
      times.size() != size_t{stored_.time_entries} * kTimeEntryBytes ||
      crc32c(offsets.bytes()) != stored_.offset_crc || crc32c(times.bytes()) != stored_.time_crc) {
    return fail(ErrorKind::kCorrupt, "index files do not hold what was written to them");
  }
  auto loaded = std::make_unique<Loaded>();
  for (size_t at = 0; at < offsets.size(); at += kOffsetEntryBytes) {
    loaded->offsets.push_back({load_big_endian<uint32_t>(offsets.bytes(), at),
                               load_big_endian<uint32_t>(offsets.bytes(), at + 4)});
  }
  for (size_t at = 0; at < times.size(); at += kTimeEntryBytes) {
    loaded->times.push_back({load_big_endian<int64_t>(times.bytes(), at),
                             load_big_endian<uint32_t>(times.bytes(), at + 8)});
  }
  thin(loaded->offsets);
  thin(loaded->times);
  loaded_ = std::move(loaded);
  return {};
}

void SegmentIndex::set_incomplete() {
  *this = SegmentIndex(base_, {.complete = false});
}

void SegmentIndex::take_over(SegmentIndex rebuilt, uint64_t size) {
  CHECK(rebuilt.base_ == base_ && rebuilt.stored_ == StoredIndex{});
  const std::vector<OffsetEntry> newer_offsets = std::move(fresh_offsets_);
  const std::vector<TimeEntry> newer_times = std::move(fresh_times_);
  const uint64_t bytes_since_entry = bytes_since_entry_;
  *this = std::move(rebuilt);
  for (const OffsetEntry& entry : newer_offsets) {
    if (entry.position >= size) fresh_offsets_.push_back(entry);
  }
  for (const TimeEntry& entry : newer_times) {
    add_time({entry.timestamp, base_ + entry.last_offset});
  }
  bytes_since_entry_ = bytes_since_entry;
}

std::optional<SegmentIndex::Place> SegmentIndex::place_of(Offset offset) const {
  const auto is_before = [&](const OffsetEntry& entry) {
    return base_ + entry.last_offset <= offset;
  };
  const auto place = [&](const OffsetEntry* entry) {
    return entry == nullptr ? Place{} : Place{entry->position, base_ + entry->last_offset};
  };
  if (const OffsetEntry* entry = last_before(fresh_offsets_, is_before)) return place(entry);
  if (!stored_.complete) return std::nullopt;
  if (stored_.offset_entries == 0) return Place{};
  if (!loaded_) return std::nullopt;
  return place(last_before(loaded_->offsets, is_before));
}

std::optional<uint64_t> SegmentIndex::position_of(Offset offset) const {
  const std::optional<Place> place = place_of(offset);
  return place ? std::optional(place->position) : std::nullopt;
}

std::optional<Offset> SegmentIndex::before_time(int64_t timestamp) const {
  const auto is_before = [&](const TimeEntry& entry) { return entry.timestamp < timestamp; };
  if (const TimeEntry* entry = last_before(fresh_times_, is_before)) {
    return base_ + entry->last_offset + 1;
  }
  if (!stored_.complete) return std::nullopt;
  if (stored_.time_entries == 0) return base_;
  if (!loaded_) return std::nullopt;
  const TimeEntry* entry = last_before(loaded_->times, is_before);
  return entry == nullptr ? base_ : base_ + entry->last_offset + 1;
}

std::optional<Offset> SegmentIndex::largest_time_before(Offset limit) const {
  const auto is_before = [&](const TimeEntry& entry) { return base_ + entry.last_offset < limit; };
  if (const TimeEntry* entry = last_before(fresh_times_, is_before)) {
    return base_ + entry->last_offset;
  }
  if (!stored_.complete) return std::nullopt;
  if (stored_.time_entries == 0) return base_;
  if (!loaded_) return std::nullopt;
  const TimeEntry* entry = last_before(loaded_->times, is_before);
  return entry == nullptr ? base_ : base_ + entry->last_offset;
}

}  // namespace magpie::log
