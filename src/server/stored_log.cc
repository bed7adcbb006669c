#include "server/stored_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "log/batch_scan.h"
#include "log/checkpoint.h"
#include "log/file_names.h"
#include "partition/epoch_cache.h"

namespace magpie::server {
namespace {

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in) return fail(ErrorKind::kIo, file + " cannot be read");
  return content;
}

// One file to be read.
struct Segment {
  std::string path;
  int64_t limit = INT64_MAX;  // what begins there or beyond does not count: it is being cut
};

struct Folder {
  std::optional<log::Checkpoint> checkpoint;
  std::map<int64_t, Segment> segments;  // by their first offset
};

using Sizes = std::map<std::pair<log::FileKind, int64_t>, uint64_t>;

std::string path_in(const std::string& folder, int64_t base, log::FileKind kind) {
  return folder + "/" + log::segment_file_name(Offset{base}, kind);
}

Result<Sizes> list(const std::string& folder) {
  std::error_code error;
  Sizes sizes;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto name = log::parse_segment_file_name(entry.path().filename().string());
    if (name) sizes[{name->kind, name->base.value}] = entry.file_size(error);
  }
  if (error) return fail(ErrorKind::kNotFound, fmt::format("{}: {}", folder, error.message()));
  return sizes;
}

// Nothing if there is none, or it is damaged: then a node reads all files, too.
Result<std::optional<log::Checkpoint>> read_checkpoint(const std::string& folder) {
  const std::string path = fmt::format("{}/{}", folder, log::kCheckpointName);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  const auto content = read_file(path);
  if (!content) return fail(content.error());
  auto checkpoint = log::decode_checkpoint(Buffer::copy_of(*content));
  if (checkpoint) return std::optional(std::move(*checkpoint));
  if (checkpoint.error().kind == ErrorKind::kCorrupt) return std::nullopt;
  return fail(checkpoint.error().kind, path + ": " + checkpoint.error().message);
}

// A segment that the checkpoint names: which file has it, as src/log/recovery_plan.cc finds it.
Status add_named(const std::string& folder, const Sizes& sizes, const log::SegmentRecord& named,
                 bool last, Folder& found) {
  const auto size_of = [&](log::FileKind kind) {
    const auto at = sizes.find({kind, named.base.value});
    return at == sizes.end() ? std::nullopt : std::optional(at->second);
  };
  const bool swapped = named.swapping && size_of(log::FileKind::kCleanedLog) == named.size;
  const auto kind = swapped ? log::FileKind::kCleanedLog : log::FileKind::kLog;
  const std::string path = path_in(folder, named.base.value, kind);
  const auto size = size_of(kind);
  if (!size && named.size == 0) return {};
  if (!size) return fail(ErrorKind::kCorrupt, path + " is missing");
  if (*size < named.size || (!last && *size != named.size)) {
    return fail(ErrorKind::kCorrupt, fmt::format("{} has {} bytes, but {} were stored durably",
                                                 path, *size, named.size));
  }
  const bool cut = last && found.checkpoint->discard_beyond;
  found.segments[named.base.value] = {path, cut ? named.next.value : INT64_MAX};
  return {};
}

Result<Folder> open(const std::string& path) {
  const auto sizes = list(path);
  if (!sizes) return fail(sizes.error());
  auto checkpoint = read_checkpoint(path);
  if (!checkpoint) return fail(checkpoint.error());
  Folder folder{std::move(*checkpoint), {}};
  int64_t known = -1;
  if (folder.checkpoint) {
    const auto& named = folder.checkpoint->segments;
    known = folder.checkpoint->discard_beyond ? INT64_MAX : named.back().base.value;
    for (const log::SegmentRecord& segment : named) {
      const bool last = &segment == &named.back();
      if (Status added = add_named(path, *sizes, segment, last, folder); !added) {
        return fail(added.error());
      }
    }
  }
  for (const auto& [key, size] : *sizes) {
    const auto& [kind, base] = key;
    if (kind != log::FileKind::kLog || base <= known) continue;
    folder.segments[base] = {path_in(path, base, kind)};
  }
  return folder;
}

Status read_segments(const Folder& folder, const OnBatch& on_batch) {
  int64_t end = 0;
  for (const auto& entry : folder.segments) {
    const int64_t base = entry.first;
    const auto& segment = entry.second;
    if (base < end) {
      return fail(ErrorKind::kCorrupt, fmt::format("{} begins below offset {}", segment.path, end));
    }
    const auto whole = read_batches(segment.path, base, [&](const auto& header, auto bytes) {
      if (header.base_offset.value >= segment.limit) return;
      end = header.next_offset().value;
      on_batch(header, bytes);
    });
    if (!whole) return fail(whole.error());
    if (!*whole && base != folder.segments.rbegin()->first) {
      return fail(ErrorKind::kCorrupt,
                  segment.path + " is cut short, and another segment follows it");
    }
    end = std::max(end, base);
  }
  return {};
}

// Where epochs began, of those that the checkpoint knows (docs/formats/checkpoint.md).
std::map<int32_t, int64_t> epoch_starts(const std::optional<log::Checkpoint>& checkpoint) {
  std::map<int32_t, int64_t> starts;
  if (!checkpoint || !checkpoint->saved) return starts;
  ByteReader in(checkpoint->saved->state);
  in.read_int16();
  partition::EpochCache epochs;
  if (!epochs.decode(in)) return starts;
  for (const auto& entry : epochs.entries()) starts[entry.epoch.value] = entry.start.value;
  return starts;
}

// Follows the batches of a log and notes which offsets are missing.
class Surveyor {
 public:
  explicit Surveyor(const Folder& folder) : epoch_starts_(epoch_starts(folder.checkpoint)) {
    log_.has_checkpoint = folder.checkpoint.has_value();
    if (!log_.has_checkpoint) return;
    log_.may_have_gaps =
        folder.checkpoint->may_have_gaps || folder.checkpoint->compacted_to > Offset{0};
    log_.start = folder.checkpoint->start.value;
  }

  void take(const record::BatchHeader& header) {
    const int64_t base = header.base_offset.value;
    if (!log_.has_checkpoint && !log_.end) log_.start = base;
    const int64_t expected = std::max(log_.end.value_or(log_.start), log_.start);
    if (base > expected) {
      log_.gaps.push_back({expected, base, opens_epoch(header.leader_epoch, expected)});
    }
    epoch_ = header.leader_epoch;
    log_.end = header.next_offset().value;
    log_.records += header.record_count;
  }
  StoredLog log() { return std::move(log_); }

 private:
  bool opens_epoch(LeaderEpoch epoch, int64_t expected) const {
    if (log_.end && epoch == epoch_) return false;
    const auto known = epoch_starts_.find(epoch.value);
    return known == epoch_starts_.end() || known->second <= expected;
  }

  std::map<int32_t, int64_t> epoch_starts_;
  LeaderEpoch epoch_ = kNoLeaderEpoch;  // of the last batch
  StoredLog log_;
};

}  // namespace

Result<bool> read_batches(const std::string& file, int64_t lowest, const OnBatch& on_batch) {
  const auto content = read_file(file);
  if (!content) return fail(content.error());
  const auto bytes = std::as_bytes(std::span(content->data(), content->size()));
  for (size_t at = 0; at < bytes.size();) {
    const log::BatchLook look = log::look_at_batch(bytes, at, Offset{lowest});
    if (look.kind == log::BatchLook::Kind::kShort) return false;
    if (look.kind == log::BatchLook::Kind::kDamaged) {
      return fail(ErrorKind::kCorrupt, fmt::format("{} at byte {}: {}", file, at, look.damage));
    }
    lowest = look.header.next_offset().value;
    on_batch(look.header, bytes.subspan(at, look.header.size_bytes()));
    at += look.header.size_bytes();
  }
  return true;
}

Status read_log(const std::string& folder, const OnBatch& on_batch) {
  const auto opened = open(folder);
  if (!opened) return fail(opened.error());
  return read_segments(*opened, on_batch);
}

Result<StoredLog> survey_log(const std::string& folder) {
  const auto opened = open(folder);
  if (!opened) return fail(opened.error());
  Surveyor surveyor(*opened);
  const Status read = read_segments(
      *opened, [&](const record::BatchHeader& header, auto) { surveyor.take(header); });
  if (!read) return fail(read.error());
  return surveyor.log();
}

}  // namespace magpie::server
