#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/byte_reader.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "control/journal_format.h"

namespace magpie::control {
namespace {

constexpr size_t kSectorBytes = 512;
constexpr std::string_view kWhatToDo =
    "Nothing was changed on disk. Restore the data directory from a backup, or move it away to "
    "start empty";

tl::unexpected<Error> corrupt(std::string_view path, uint64_t position, std::string_view what) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("{}: byte {}: {}. {}", path, position, what, kWhatToDo));
}

tl::unexpected<Error> newer(std::string_view path, uint64_t position, std::string_view what,
                            uint32_t version, uint32_t known) {
  return fail(
      ErrorKind::kUnsupported,
      fmt::format("{}: byte {}: {} has version {}, but this program reads up to {}. Run the "
                  "newer version of Magpie that wrote it",
                  path, position, what, version, known));
}

struct Header {
  size_t length = 0;
  uint64_t store_id = 0;
};

Result<Header> read_header(std::string_view path, const Buffer& bytes,
                           std::string_view cluster_id) {
  ByteReader reader(bytes);
  if (reader.read_text(kJournalMagic.size()) != kJournalMagic) {
    return corrupt(path, 0, "this is not a metadata journal");
  }
  const uint32_t version = reader.read_uint32();
  const std::string_view id = reader.read_text(reader.read_uint16());
  Header header;
  if (version != 1) header.store_id = static_cast<uint64_t>(reader.read_int64());
  const size_t length = reader.position();
  const uint32_t stored = reader.read_uint32();
  // The checksum covers the version, so a damaged version number is not mistaken for a newer one.
  if (!reader.ok() || crc32c(bytes.bytes().first(length)) != stored) {
    return corrupt(path, 0, "the header is damaged");
  }
  if (version > kJournalVersion) return newer(path, 0, "the journal", version, kJournalVersion);
  if (version < kJournalVersion) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("{}: the journal has version {}, which no release of Magpie wrote. Move "
                    "the data directory away to start empty",
                    path, version));
  }
  if (id != cluster_id) {
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("{}: it belongs to cluster '{}', but the node is configured for cluster "
                    "'{}'. Correct cluster_id or the data directory in the configuration",
                    path, id, cluster_id));
  }
  header.length = reader.position();
  return header;
}

struct Frame {
  uint8_t version = 0;
  size_t body_bytes = 0;
  uint32_t checksum = 0;

  size_t size() const { return kRecordFrameBytes + body_bytes; }
};

// The frame at `position`, if there is room for one and it has the magic and a possible length.
std::optional<Frame> frame_at(const Buffer& bytes, size_t position) {
  if (bytes.size() - position < kRecordFrameBytes) return std::nullopt;
  ByteReader reader(bytes.slice(position, kRecordFrameBytes));
  if (reader.read_text(kRecordMagic.size()) != kRecordMagic) return std::nullopt;
  Frame frame;
  frame.version = static_cast<uint8_t>(reader.read_int8());
  frame.body_bytes = reader.read_uint32();
  frame.checksum = reader.read_uint32();
  if (frame.body_bytes > kRecordBodyBytesMax) return std::nullopt;
  return frame;
}

uint32_t checksum_of(const Buffer& bytes, size_t position, const Frame& frame) {
  const auto start = bytes.bytes().subspan(position, kRecordFrameBytes - sizeof(uint32_t));
  const auto body = bytes.bytes().subspan(position + kRecordFrameBytes, frame.body_bytes);
  return crc32c(body, crc32c(start));
}

// The frame of a whole record with the right checksum, whatever its version.
std::optional<Frame> whole_record_at(const Buffer& bytes, size_t position) {
  const std::optional<Frame> frame = frame_at(bytes, position);
  if (!frame || frame->size() > bytes.size() - position) return std::nullopt;
  if (checksum_of(bytes, position, *frame) != frame->checksum) return std::nullopt;
  return frame;
}

std::optional<size_t> next_whole_record(const Buffer& bytes, size_t position) {
  const std::string_view text = bytes.text();
  for (size_t at = text.find(kRecordMagic, position); at != std::string_view::npos;
       at = text.find(kRecordMagic, at + 1)) {
    if (whole_record_at(bytes, at)) return at;
  }
  return std::nullopt;
}

// True if some part of [position, end) that shares a disk sector is all zeros. Every record's every
// such part has a byte that is not zero, so this one was never written.
bool misses_a_sector(const Buffer& bytes, size_t position, size_t end) {
  while (position < end) {
    const size_t next = std::min(end, (position / kSectorBytes + 1) * kSectorBytes);
    const auto part = bytes.bytes().subspan(position, next - position);
    if (std::all_of(part.begin(), part.end(), [](std::byte b) { return b == std::byte{0}; })) {
      return true;
    }
    position = next;
  }
  return false;
}

// True if the bytes from `position` on are those a record begins with, or end before they differ.
bool may_begin_record(const Buffer& bytes, size_t position) {
  const std::string_view held = bytes.text().substr(position, kRecordMagic.size());
  return held == kRecordMagic.substr(0, held.size());
}

// True if the record at `position` would be whole with another length: only that field is damaged.
// Tried are the lengths that make it end where records do.
bool only_length_is_damaged(const Buffer& bytes, size_t position) {
  Buffer repaired = Buffer::copy_of(bytes.bytes().subspan(position));
  for (size_t end = position + kRecordFrameBytes; end <= bytes.size(); ++end) {
    if (bytes.data()[end - 1] != std::byte{kRecordEnd}) continue;
    const auto length = static_cast<uint32_t>(end - position - kRecordFrameBytes);
    for (size_t i = 0; i < sizeof(length); ++i) {
      repaired.mutable_bytes()[4 + i] = static_cast<std::byte>(length >> (8 * (3 - i)));
    }
    if (whole_record_at(repaired, 0)) return true;
  }
  return false;
}

// True if an interrupted write explains what stands at `position`, where no whole record follows:
// the file ends too early, or a sector was not written.
bool is_torn(const Buffer& bytes, size_t position) {
  const size_t held = bytes.size() - position;
  if (held < kRecordFrameBytes && may_begin_record(bytes, position)) return true;
  const std::optional<Frame> frame = frame_at(bytes, position);
  if (frame && frame->size() > held) return true;
  const size_t first_sector_end = (position / kSectorBytes + 1) * kSectorBytes;
  if (frame) return misses_a_sector(bytes, position, position + frame->size());
  // The sector ends within the magic: what is missing of it is in the next one.
  const size_t in_sector = first_sector_end - position;
  const bool begins = in_sector < kRecordMagic.size() &&
                      bytes.text().substr(position, in_sector) == kRecordMagic.substr(0, in_sector);
  const size_t end = begins ? position + kRecordFrameBytes : first_sector_end;
  return misses_a_sector(bytes, position, std::min(bytes.size(), end));
}

std::optional<std::vector<Change>> decode_changes(ByteReader& reader) {
  const uint32_t count = reader.read_unsigned_varint();
  if (count > reader.remaining()) return std::nullopt;
  std::vector<Change> changes;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    const auto kind = static_cast<uint8_t>(reader.read_int8());
    if (kind != kPutChange && kind != kDeleteChange) return std::nullopt;
    Change change;
    change.key = reader.read_text(reader.read_unsigned_varint());
    if (kind == kPutChange) change.value = reader.read_text(reader.read_unsigned_varint());
    changes.push_back(std::move(change));
  }
  if (static_cast<uint8_t>(reader.read_int8()) != kRecordEnd) return std::nullopt;
  if (!reader.ok() || reader.remaining() != 0) return std::nullopt;
  return changes;
}

Status replay_record(std::string_view path, const Buffer& bytes, size_t position,
                     const Frame& frame, State& state) {
  if (frame.version != kRecordVersion) {
    return newer(path, position, "the record", frame.version, kRecordVersion);
  }
  ByteReader reader(bytes.slice(position + kRecordFrameBytes, frame.body_bytes));
  const Revision revision = reader.read_int64();
  const auto changes = decode_changes(reader);
  if (!changes) return corrupt(path, position, "the record's changes are malformed");
  const auto applied = state.apply(revision, *changes);
  if (applied) return {};
  if (applied.error().kind == ErrorKind::kUnsupported) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{}: byte {}: {}", path, position, applied.error().message));
  }
  return corrupt(path, position, applied.error().message);
}

// What stands at `position` is no whole record. Fine if it is the torn end; otherwise damage.
Status check_torn(std::string_view path, const Buffer& bytes, size_t position) {
  if (planted(PlantedBug::kTornMiddleAsTail)) return {};
  if (const auto next = next_whole_record(bytes, position + 1)) {
    return corrupt(path, position,
                   fmt::format("the record is damaged: a whole one follows at byte {}", *next));
  }
  if (only_length_is_damaged(bytes, position) || !is_torn(bytes, position)) {
    return corrupt(path, position, "the record is damaged, and not by an interrupted write");
  }
  return {};
}

}  // namespace

Result<RecoveredJournal> recover_journal(std::string_view path, const Buffer& bytes,
                                         std::string_view cluster_id) {
  const auto header = read_header(path, bytes, cluster_id);
  if (!header) return fail(header.error());
  RecoveredJournal recovered;
  recovered.store_id = header->store_id;
  size_t position = header->length;
  while (position < bytes.size()) {
    const std::optional<Frame> frame = whole_record_at(bytes, position);
    if (!frame) {
      if (auto torn = check_torn(path, bytes, position); !torn) return fail(torn.error());
      break;
    }
    if (auto replayed = replay_record(path, bytes, position, *frame, recovered.state); !replayed) {
      return fail(replayed.error());
    }
    position += frame->size();
  }
  CHECK(position <= bytes.size());
  recovered.valid_bytes = position;
  recovered.torn_bytes = bytes.size() - position;
  return recovered;
}

}  // namespace magpie::control
