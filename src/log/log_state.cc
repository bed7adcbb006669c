#include "log/log_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"

namespace magpie::log {

Segment* LogState::find_segment(Offset base) {
  return const_cast<Segment*>(std::as_const(*this).find_segment(base));
}

const Segment* LogState::find_segment(Offset base) const {
  const auto found =
      std::partition_point(segments.begin(), segments.end(),
                           [&](const Segment& segment) { return segment.base < base; });
  return found != segments.end() && found->base == base ? &*found : nullptr;
}

size_t LogState::first_above(Offset offset) const {
  const auto found =
      std::partition_point(segments.begin(), segments.end(),
                           [&](const Segment& segment) { return segment.next <= offset; });
  return static_cast<size_t>(found - segments.begin());
}

uint64_t LogState::size_bytes() const {
  uint64_t size = 0;
  for (const Segment& segment : segments) size += segment.size;
  return size;
}

LargestTimestamp LogState::largest() const {
  LargestTimestamp largest;
  for (const Segment& segment : segments) {
    if (segment.largest.timestamp > largest.timestamp) largest = segment.largest;
  }
  return largest;
}

Offset LogState::replay_from() const {
  return saved ? saved->at : segments.front().base;
}

std::string LogState::path_of(Offset base, FileKind kind) const {
  return folder + "/" + segment_file_name(base, kind);
}

port::FileRef LogState::new_file(Offset base, FileKind kind) const {
  return std::make_shared<port::FileName>(port::FileName{file_ids.next(), path_of(base, kind)});
}

const port::FileRef& LogState::log_file(Segment& segment) const {
  if (!segment.log_file) segment.log_file = new_file(segment.base, FileKind::kLog);
  return segment.log_file;
}

const port::FileRef& LogState::index_file(Segment& segment) const {
  if (!segment.index_file) segment.index_file = new_file(segment.base, FileKind::kIndex);
  return segment.index_file;
}

const port::FileRef& LogState::time_index_file(Segment& segment) const {
  if (!segment.time_index_file) {
    segment.time_index_file = new_file(segment.base, FileKind::kTimeIndex);
  }
  return segment.time_index_file;
}

const port::FileRef& LogState::checkpoint_file() {
  if (!checkpoint_file_) {
    checkpoint_file_ = std::make_shared<port::FileName>(
        port::FileName{file_ids.next(), fmt::format("{}/{}", folder, kCheckpointName)});
  }
  return checkpoint_file_;
}

port::FileRef LogState::file_of(const SegmentFileName& name) {
  Segment* segment = find_segment(name.base);
  if (segment == nullptr) return new_file(name.base, name.kind);
  switch (name.kind) {
    case FileKind::kLog:
      return log_file(*segment);
    case FileKind::kIndex:
      return index_file(*segment);
    case FileKind::kTimeIndex:
      return time_index_file(*segment);
    default:
      return new_file(name.base, name.kind);
  }
}

port::FileRef LogState::renewed_file(const SegmentFileName& name) {
  if (Segment* segment = find_segment(name.base)) {
    if (name.kind == FileKind::kLog) segment->log_file.reset();
    if (name.kind == FileKind::kIndex) segment->index_file.reset();
    if (name.kind == FileKind::kTimeIndex) segment->time_index_file.reset();
  }
  return file_of(name);
}

void extend(Segment& segment, const record::BatchHeader& header, int32_t index_interval) {
  CHECK(header.base_offset >= segment.next);
  segment.largest.add(header);
  segment.index.add(header, segment.size, index_interval, segment.largest);
  segment.size += header.size_bytes();
  segment.next = header.next_offset();
}

}  // namespace magpie::log
