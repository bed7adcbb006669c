#include "log/index_loader.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/check.h"
#include "log/segment_scan.h"

namespace magpie::log {
namespace {

// Loaded indexes of one partition; each takes up to 50 KiB.
constexpr size_t kLoadedMax = 4;

}  // namespace

struct IndexLoader::Files {
  Buffer offsets;
  Buffer times;
  Status status;
  int left = 2;
  StoredIndex expected;
  uint64_t layout;
};

void IndexLoader::load(Step& step, Offset base, Then then) {
  Segment& segment = *state_.find_segment(base);
  std::vector<Then>& waiting = under_way_[base];
  waiting.push_back(std::move(then));
  if (waiting.size() > 1) return;
  if (segment.index.complete()) {
    read_files(step, segment);
  } else {
    rebuild(step, base);
  }
}

void IndexLoader::finish(Step& step, Offset base, const Status& status) {
  const auto waiting = under_way_.extract(base);
  CHECK(!waiting.empty());
  for (const Then& then : waiting.mapped()) then(step, status);
}

void IndexLoader::read_files(Step& step, Segment& segment) {
  const StoredIndex& stored = segment.index.stored();
  auto files = std::make_shared<Files>();
  files->expected = stored;
  files->layout = state_.layout;
  const auto read = [&](const port::FileRef& file, uint64_t length, Buffer Files::*into) {
    auto on_done = [this, files, into, base = segment.base](Step& later,
                                                            const port::DiskDone& done) {
      // A file that is not there is one that does not match.
      if (done.status) {
        (*files).*into = done.data;
      } else if (done.status.error().kind != ErrorKind::kNotFound) {
        files->status = done.status;
      }
      if (--files->left == 0) on_files(later, base, *files);
    };
    step.ask(port::ReadFile{file, 0, length, state_.disk.then(std::move(on_done))});
  };
  read(state_.index_file(segment), uint64_t{stored.offset_entries} * kOffsetEntryBytes,
       &Files::offsets);
  read(state_.time_index_file(segment), uint64_t{stored.time_entries} * kTimeEntryBytes,
       &Files::times);
}

void IndexLoader::on_files(Step& step, Offset base, const Files& files) {
  if (!files.status) return finish(step, base, files.status);
  Segment* segment = state_.find_segment(base);
  // Whoever asked looks again if anything has changed meanwhile.
  if (segment == nullptr || state_.layout != files.layout ||
      segment->index.stored() != files.expected) {
    return finish(step, base, Status{});
  }
  if (segment->index.load(files.offsets, files.times)) {
    touch(*segment);
    unload_least_used();
    return finish(step, base, Status{});
  }
  step.note(port::Severity::kWarning, "log_index_rebuilt",
            fmt::format("{}: the index does not match and is rebuilt",
                        state_.path_of(base, FileKind::kIndex)));
  rebuild(step, base);
}

void IndexLoader::rebuild(Step& step, Offset base) {
  Segment& segment = *state_.find_segment(base);
  segment.index.set_incomplete();
  ++state_.layout;
  auto rebuilt = std::make_shared<Segment>(base);
  auto visit = [this, rebuilt](Step&, const ScannedBatch& batch) {
    extend(*rebuilt, batch.header, state_.config.index_interval_bytes);
    return true;
  };
  auto on_end = [this, rebuilt, base, layout = state_.layout](Step& later, const ScanEnd& end) {
    if (state_.layout != layout) return finish(later, base, Status{});
    if (end.kind != ScanEnd::Kind::kComplete) {
      return finish(later, base, fail(to_error(end, state_.path_of(base, FileKind::kLog))));
    }
    Segment& target = *state_.find_segment(base);
    // Sealed segments end with a time entry.
    if (&target != &state_.active()) rebuilt->index.seal(rebuilt->largest);
    target.index.take_over(std::move(rebuilt->index), rebuilt->size);
    empty_files(later, base);
  };
  scan_segment(step, state_.disk,
               {.file = state_.log_file(segment),
                .from = 0,
                .to = segment.size,
                .lowest = base,
                .limit = segment.next,
                .ends_at_limit = true},
               std::move(visit), std::move(on_end));
}

// Nothing of a rebuilt index stands in the files yet; what is in them would follow it.
void IndexLoader::empty_files(Step& step, Offset base) {
  Segment& segment = *state_.find_segment(base);
  auto left = std::make_shared<int>(2);
  auto on_done = [this, left, base](Step& later, const port::DiskDone&) {
    // If that failed the files do not match the next time they are loaded, and are rebuilt again.
    if (--*left == 0) finish(later, base, Status{});
  };
  step.ask(port::TruncateFile{state_.index_file(segment), 0, state_.disk.then(on_done)});
  step.ask(port::TruncateFile{state_.time_index_file(segment), 0, state_.disk.then(on_done)});
}

void IndexLoader::unload_least_used() {
  Segment* least = nullptr;
  size_t loaded = 0;
  for (Segment& segment : state_.segments) {
    if (!segment.index.is_loaded()) continue;
    ++loaded;
    if (least == nullptr || segment.index_used < least->index_used) least = &segment;
  }
  if (loaded > kLoadedMax) least->index.unload();
}

}  // namespace magpie::log
