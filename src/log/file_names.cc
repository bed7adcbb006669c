#include "log/file_names.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace magpie::log {
namespace {

constexpr size_t kDigits = 20;

constexpr std::array<std::pair<FileKind, std::string_view>, 6> kSuffixes = {{
    {FileKind::kLog, ".log"},
    {FileKind::kIndex, ".index"},
    {FileKind::kTimeIndex, ".timeindex"},
    {FileKind::kCleanedLog, ".log.cleaned"},
    {FileKind::kCleanedIndex, ".index.cleaned"},
    {FileKind::kCleanedTimeIndex, ".timeindex.cleaned"},
}};

}  // namespace

std::string segment_file_name(Offset base, FileKind kind) {
  CHECK(base.value >= 0);
  for (const auto& [known, suffix] : kSuffixes) {
    if (known == kind) return fmt::format("{:020}{}", base.value, suffix);
  }
  CHECK(false);
}

FileKind cleaned_form(FileKind kind) {
  switch (kind) {
    case FileKind::kLog:
      return FileKind::kCleanedLog;
    case FileKind::kIndex:
      return FileKind::kCleanedIndex;
    case FileKind::kTimeIndex:
      return FileKind::kCleanedTimeIndex;
    default:
      CHECK(false);
  }
}

std::optional<SegmentFileName> parse_segment_file_name(std::string_view name) {
  if (name.size() <= kDigits) return std::nullopt;
  uint64_t base = 0;
  for (const char c : name.substr(0, kDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (base > (INT64_MAX - digit) / 10) return std::nullopt;
    base = base * 10 + digit;
  }
  for (const auto& [kind, suffix] : kSuffixes) {
    if (name.substr(kDigits) == suffix) {
      return SegmentFileName{{static_cast<int64_t>(base)}, kind};
    }
  }
  return std::nullopt;
}

}  // namespace magpie::log
