#include "server/stored_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "log/batch_scan.h"
#include "log/file_names.h"

namespace magpie::server {
namespace {

// Segments by their first offset.
Result<std::map<int64_t, std::string>> segments_in(const std::string& folder) {
  std::error_code error;
  std::map<int64_t, std::string> segments;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto name = log::parse_segment_file_name(entry.path().filename().string());
    if (name && name->kind == log::FileKind::kLog) {
      segments[name->base.value] = entry.path().string();
    }
  }
  if (error) return fail(ErrorKind::kNotFound, fmt::format("{}: {}", folder, error.message()));
  return segments;
}

}  // namespace

Result<bool> read_batches(const std::string& file, int64_t lowest, const OnBatch& on_batch) {
  std::ifstream in(file, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in) return fail(ErrorKind::kIo, file + " cannot be read");
  const auto bytes = std::as_bytes(std::span(content.data(), content.size()));
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
  const auto segments = segments_in(folder);
  if (!segments) return fail(segments.error());
  int64_t end = 0;
  for (const auto& [base, path] : *segments) {
    if (base < end) {
      return fail(ErrorKind::kCorrupt, fmt::format("{} begins below offset {}", path, end));
    }
    const auto whole = read_batches(path, base, [&](const auto& header, auto bytes) {
      end = header.next_offset().value;
      on_batch(header, bytes);
    });
    if (!whole) return fail(whole.error());
    if (!*whole && base != segments->rbegin()->first) {
      return fail(ErrorKind::kCorrupt, path + " is cut short, and another segment follows it");
    }
    end = std::max(end, base);
  }
  return {};
}

Result<LogExtent> read_log_extent(const std::string& folder) {
  const auto segments = segments_in(folder);
  if (!segments) return fail(segments.error());
  LogExtent extent;
  if (!segments->empty()) {
    extent.start = segments->begin()->first;
    extent.end = segments->rbegin()->first;
  }
  const Status read = read_log(folder, [&](const record::BatchHeader& header, auto) {
    extent.end = std::max(extent.end, header.next_offset().value);
    extent.records += header.record_count;
  });
  if (!read) return fail(read.error());
  return extent;
}

}  // namespace magpie::server
