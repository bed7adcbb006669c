#include "log/checkpoint.h"

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace magpie::log {
namespace {

// docs/formats/checkpoint.md
constexpr std::string_view kMagic = "MAGPIECP";
constexpr size_t kHeaderBytes = 20;  // magic, version, payload length, checksum of the payload

constexpr int8_t kDiscardBeyond = 1;
constexpr int8_t kHasSavedState = 2;
constexpr int8_t kMayHaveGaps = 4;
constexpr int8_t kIndexComplete = 1;
constexpr int8_t kSwapping = 2;
constexpr size_t kSegmentBytes = 8 * 6 + 4 * 4 + 8 + 1;

void write_segment(ByteWriter& out, const SegmentRecord& segment) {
  out.write_int64(segment.base.value);
  out.write_int64(segment.next.value);
  out.write_int64(static_cast<int64_t>(segment.size));
  out.write_int64(segment.largest.timestamp);
  out.write_int64(segment.largest.last_offset.value);
  out.write_int64(segment.created_millis);
  out.write_int32(static_cast<int32_t>(segment.index.offset_entries));
  out.write_int32(static_cast<int32_t>(segment.index.offset_crc));
  out.write_int32(static_cast<int32_t>(segment.index.time_entries));
  out.write_int32(static_cast<int32_t>(segment.index.time_crc));
  out.write_int64(segment.index.last_time);
  out.write_int8(static_cast<int8_t>((segment.index.complete ? kIndexComplete : 0) |
                                     (segment.swapping ? kSwapping : 0)));
}

SegmentRecord read_segment(ByteReader& in) {
  SegmentRecord segment;
  segment.base = {in.read_int64()};
  segment.next = {in.read_int64()};
  segment.size = static_cast<uint64_t>(in.read_int64());
  segment.largest.timestamp = in.read_int64();
  segment.largest.last_offset = {in.read_int64()};
  segment.created_millis = in.read_int64();
  segment.index.offset_entries = in.read_uint32();
  segment.index.offset_crc = in.read_uint32();
  segment.index.time_entries = in.read_uint32();
  segment.index.time_crc = in.read_uint32();
  segment.index.last_time = in.read_int64();
  const int8_t flags = in.read_int8();
  segment.index.complete = (flags & kIndexComplete) != 0;
  segment.swapping = (flags & kSwapping) != 0;
  return segment;
}

tl::unexpected<Error> corrupt(std::string why) {
  return fail(ErrorKind::kCorrupt, "checkpoint: " + std::move(why));
}

// What every checkpoint satisfies that this version writes.
bool is_consistent(const Checkpoint& checkpoint) {
  if (checkpoint.segments.empty()) return false;
  Offset previous_next{0};
  for (const SegmentRecord& segment : checkpoint.segments) {
    if (segment.base < previous_next || segment.next < segment.base) return false;
    if (segment.size > INT64_MAX || (segment.size == 0) != (segment.next == segment.base)) {
      return false;
    }
    previous_next = segment.next;
  }
  if (checkpoint.start < Offset{0} || checkpoint.start > previous_next) return false;
  return !checkpoint.saved || checkpoint.saved->at <= previous_next;
}

}  // namespace

Buffer encode(const Checkpoint& checkpoint) {
  CHECK(is_consistent(checkpoint));
  ByteWriter payload;
  payload.write_int64(checkpoint.start.value);
  payload.write_int64(checkpoint.compacted_to.value);
  payload.write_int8(static_cast<int8_t>((checkpoint.discard_beyond ? kDiscardBeyond : 0) |
                                         (checkpoint.saved ? kHasSavedState : 0) |
                                         (checkpoint.may_have_gaps ? kMayHaveGaps : 0)));
  payload.write_int32(static_cast<int32_t>(checkpoint.segments.size()));
  for (const SegmentRecord& segment : checkpoint.segments) write_segment(payload, segment);
  if (checkpoint.saved) {
    payload.write_int64(checkpoint.saved->at.value);
    payload.write_int64(checkpoint.saved->segment.value);
    payload.write_int64(static_cast<int64_t>(checkpoint.saved->position));
    payload.write_int32(static_cast<int32_t>(checkpoint.saved->state.size()));
    payload.write_bytes(checkpoint.saved->state.bytes());
  }
  const Buffer body = flatten(payload.finish());
  ByteWriter out;
  out.write_text(kMagic);
  out.write_int32(kCheckpointVersion);
  out.write_int32(static_cast<int32_t>(body.size()));
  out.write_int32(static_cast<int32_t>(crc32c(body.bytes())));
  out.write_bytes(body.bytes());
  return flatten(out.finish());
}

Result<Checkpoint> decode_checkpoint(const Buffer& bytes) {
  ByteReader in(bytes);
  if (in.read_text(kMagic.size()) != kMagic) return corrupt("not a checkpoint file");
  const int32_t version = in.read_int32();
  if (in.ok() && version > kCheckpointVersion) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("checkpoint has version {}, this build reads up to {}; start the "
                            "version of Magpie that wrote it, or a newer one",
                            version, kCheckpointVersion));
  }
  const int32_t length = in.read_int32();
  const uint32_t crc = in.read_uint32();
  if (!in.ok() || version != kCheckpointVersion || length < 0 ||
      static_cast<size_t>(length) != in.remaining() ||
      crc != crc32c(bytes.bytes().subspan(kHeaderBytes))) {
    return corrupt("checksum or length does not match");
  }
  Checkpoint checkpoint;
  checkpoint.start = {in.read_int64()};
  checkpoint.compacted_to = {in.read_int64()};
  const int8_t flags = in.read_int8();
  checkpoint.discard_beyond = (flags & kDiscardBeyond) != 0;
  checkpoint.may_have_gaps = (flags & kMayHaveGaps) != 0;
  const int32_t count = in.read_int32();
  if (count < 0 || static_cast<size_t>(count) > in.remaining() / kSegmentBytes) {
    return corrupt("number of segments is impossible");
  }
  for (int32_t i = 0; i < count; ++i) checkpoint.segments.push_back(read_segment(in));
  if ((flags & kHasSavedState) != 0) {
    SavedState saved;
    saved.at = {in.read_int64()};
    saved.segment = {in.read_int64()};
    saved.position = static_cast<uint64_t>(in.read_int64());
    const int32_t size = in.read_int32();
    if (size < 0) return corrupt("size of the state is impossible");
    // A copy, so that a small state does not keep the whole file in memory.
    saved.state = Buffer::copy_of(in.read_text(static_cast<size_t>(size)));
    checkpoint.saved = std::move(saved);
  }
  if (!in.ok() || in.remaining() != 0 || !is_consistent(checkpoint)) {
    return corrupt("fields contradict each other");
  }
  return checkpoint;
}

}  // namespace magpie::log
