// Names of the files in a partition's folder; docs/formats/segment.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace magpie::log {

inline constexpr std::string_view kCheckpointName = "magpie.checkpoint";

enum class FileKind {
  kLog,         // record batches
  kIndex,       // offset to position
  kTimeIndex,   // timestamp to offset
  kCleanedLog,  // what compaction is about to put in place of a segment
  kCleanedIndex,
  kCleanedTimeIndex,
};

// "00000000000000000042.log". REQUIRES: base >= 0.
std::string segment_file_name(Offset base, FileKind kind);

struct SegmentFileName {
  Offset base;
  FileKind kind;

  bool operator==(const SegmentFileName&) const = default;
};

// The kind of what compaction writes to replace a file of `kind`. REQUIRES: not such a kind itself.
FileKind cleaned_form(FileKind kind);

// What the name says; nothing for names that belong to somebody else.
std::optional<SegmentFileName> parse_segment_file_name(std::string_view name);

}  // namespace magpie::log
