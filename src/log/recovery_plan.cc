#include "log/recovery_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"

namespace magpie::log {
namespace {

using Repair = PlannedRepair::Kind;

tl::unexpected<Error> corrupt(Offset base, const std::string& what) {
  return fail(ErrorKind::kCorrupt, segment_file_name(base, FileKind::kLog) + " " + what);
}

class Planner {
 public:
  Planner(const std::vector<port::FolderEntry>& listing, bool may_have_gaps) {
    plan_.may_have_gaps = may_have_gaps;
    for (const port::FolderEntry& entry : listing) {
      const auto name = parse_segment_file_name(entry.name);
      if (name && !entry.is_folder) sizes_[{name->kind, name->base}] = entry.size;
    }
  }

  Result<RecoveryPlan> from_checkpoint(const Checkpoint& checkpoint) {
    plan_.start = checkpoint.start;
    plan_.compacted_to = checkpoint.compacted_to;
    plan_.saved = checkpoint.saved;
    plan_.segments = checkpoint.segments;
    // Builds that did not note gaps compacted, too.
    plan_.may_have_gaps |= checkpoint.may_have_gaps || checkpoint.compacted_to > Offset{0};
    plan_.rewrite_checkpoint =
        checkpoint.discard_beyond || plan_.may_have_gaps != checkpoint.may_have_gaps;
    for (size_t i = 0; i < checkpoint.segments.size(); ++i) {
      const bool is_last = i + 1 == checkpoint.segments.size();
      if (Status known = check_known(checkpoint.segments[i], is_last); !known) {
        return fail(std::move(known.error()));
      }
    }
    plan_replay();
    trim_indexes(last());
    if (checkpoint.discard_beyond) {
      discard_beyond();
    } else {
      const uint64_t end = size_of(FileKind::kLog, last().base).value_or(0);
      scan({last().base, last().size, end, last().size, last().next, !plan_.may_have_gaps});
      if (Status newer = add_newer(); !newer) return fail(std::move(newer.error()));
    }
    remove_left_over();
    return finish();
  }

  // Everything is read, and nothing is known to be durable.
  Result<RecoveryPlan> from_files() {
    for (const auto& [key, size] : sizes_) {
      const auto& [kind, base] = key;
      if (kind != FileKind::kLog) continue;
      plan_.segments.push_back({.base = base, .next = base});
      scan({base, 0, size, 0, base, !plan_.may_have_gaps, true});
      empty_indexes(base);
    }
    plan_.rewrite_checkpoint = plan_.may_have_gaps;
    CHECK(!plan_.segments.empty());
    plan_.start = plan_.segments.front().base;
    remove_left_over();
    return finish();
  }

 private:
  using Key = std::pair<FileKind, Offset>;

  std::optional<uint64_t> size_of(FileKind kind, Offset base) const {
    const auto found = sizes_.find({kind, base});
    return found == sizes_.end() ? std::nullopt : std::optional(found->second);
  }
  SegmentRecord& last() { return plan_.segments.back(); }
  void repair(Repair kind, FileKind file, Offset base, uint64_t size = 0) {
    plan_.repairs.push_back({kind, {base, file}, size});
  }
  void scan(const PlannedScan& scan) {
    if (scan.from < scan.to) plan_.scans.push_back(scan);
  }

  // A segment that the checkpoint names must be there with the size it had.
  Status check_known(const SegmentRecord& segment, bool last) {
    if (segment.swapping) {
      plan_.rewrite_checkpoint = true;
      if (size_of(FileKind::kCleanedLog, segment.base) == segment.size) {
        swaps_.insert(segment.base);
        // The log comes last: once it is in place the indexes are, too.
        finish_swap(FileKind::kCleanedIndex, FileKind::kIndex, segment.base);
        finish_swap(FileKind::kCleanedTimeIndex, FileKind::kTimeIndex, segment.base);
        finish_swap(FileKind::kCleanedLog, FileKind::kLog, segment.base);
        return {};
      }
    }
    const auto size = size_of(FileKind::kLog, segment.base);
    if (!size && segment.size == 0) return {};
    if (!size) return corrupt(segment.base, "is missing");
    if (*size < segment.size || (!last && *size != segment.size)) {
      return corrupt(segment.base,
                     fmt::format("has {} bytes, but {} were stored durably", *size, segment.size));
    }
    return {};
  }

  void finish_swap(FileKind cleaned, FileKind file, Offset base) {
    if (size_of(cleaned, base)) repair(Repair::kFinishSwap, file, base);
  }

  // The headers from the saved state up to what is durable; they are not checked for gaps, because
  // compaction may have left some.
  void plan_replay() {
    const Offset from = plan_.saved ? plan_.saved->at : plan_.segments.front().base;
    for (const SegmentRecord& segment : plan_.segments) {
      if (segment.next <= from) continue;
      const bool starts_here = plan_.saved && plan_.saved->segment == segment.base &&
                               plan_.saved->position <= segment.size;
      const uint64_t position = starts_here ? plan_.saved->position : 0;
      scan({segment.base, position, segment.size, segment.size, segment.base, false});
    }
  }

  // A cut was under way: the checkpoint says what is left, the rest goes.
  void discard_beyond() {
    const uint64_t end = size_of(FileKind::kLog, last().base).value_or(0);
    if (end > last().size) repair(Repair::kTruncate, FileKind::kLog, last().base, last().size);
    for (const auto& [key, size] : sizes_) {
      if (key.second <= last().base) continue;
      repair(Repair::kTruncate, key.first, key.second, 0);
      repair(Repair::kRemove, key.first, key.second);
    }
  }

  // Segments that were begun after the checkpoint. An empty one holds nothing and goes.
  Status add_newer() {
    const Offset known = last().base;
    for (const auto& [key, size] : sizes_) {
      const auto& [kind, base] = key;
      if (base <= known) continue;
      if (size_of(FileKind::kLog, base).value_or(0) == 0) {
        repair(Repair::kRemove, kind, base);
      } else if (kind == FileKind::kLog) {
        if (base < last().next) return corrupt(base, "overlaps the segment before it");
        plan_.segments.push_back({.base = base, .next = base});
        scan({base, 0, size, 0, base, !plan_.may_have_gaps, true});
        empty_indexes(base);
      }
    }
    return {};
  }

  // Index entries that were written after the checkpoint may be for batches that were lost.
  void trim_indexes(const SegmentRecord& segment) {
    trim_index(FileKind::kIndex, segment.base, uint64_t{segment.index.offset_entries} * 8);
    trim_index(FileKind::kTimeIndex, segment.base, uint64_t{segment.index.time_entries} * 12);
  }
  void trim_index(FileKind kind, Offset base, uint64_t stored) {
    if (size_of(kind, base).value_or(0) > stored) repair(Repair::kTruncate, kind, base, stored);
  }
  void empty_indexes(Offset base) {
    trim_index(FileKind::kIndex, base, 0);
    trim_index(FileKind::kTimeIndex, base, 0);
  }

  // What trim, compaction and interrupted swaps leave behind.
  void remove_left_over() {
    for (const auto& [key, size] : sizes_) {
      const auto& [kind, base] = key;
      const bool cleaned = kind == FileKind::kCleanedLog || kind == FileKind::kCleanedIndex ||
                           kind == FileKind::kCleanedTimeIndex;
      if (cleaned ? !swaps_.contains(base) : base < last().base && !is_known(base)) {
        repair(Repair::kRemove, kind, base);
      }
    }
  }

  bool is_known(Offset base) const {
    return std::any_of(plan_.segments.begin(), plan_.segments.end(),
                       [&](const SegmentRecord& record) { return record.base == base; });
  }

  RecoveryPlan finish() {
    if (!plan_.scans.empty()) {
      PlannedScan& last_scan = plan_.scans.back();
      last_scan.last = last_scan.base == last().base && last_scan.to > last_scan.durable;
    }
    return std::move(plan_);
  }

  std::map<Key, uint64_t> sizes_;
  std::set<Offset> swaps_;  // segments whose cleaned form is put in place
  RecoveryPlan plan_;
};

}  // namespace

Result<RecoveryPlan> plan_recovery(const std::vector<port::FolderEntry>& listing,
                                   const std::optional<Checkpoint>& checkpoint,
                                   bool may_have_gaps) {
  Planner planner(listing, may_have_gaps);
  return checkpoint ? planner.from_checkpoint(*checkpoint) : planner.from_files();
}

}  // namespace magpie::log
