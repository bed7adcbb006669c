#include "log/timestamp_search.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "record/reader.h"

namespace magpie::log {
namespace {

constexpr uint64_t kChunkBytes = 128 * 1024;

}  // namespace

void TimestampSearch::find_first(Step& step, uint64_t ticket, int64_t timestamp, Offset limit) {
  auto job = std::make_shared<Job>();
  job->ticket = ticket;
  job->wanted = timestamp;
  job->limit = std::min(limit, state_.durable_end);
  first_from(step, job, state_.start);
}

void TimestampSearch::find_largest(Step& step, uint64_t ticket, Offset limit) {
  auto job = std::make_shared<Job>();
  job->ticket = ticket;
  job->limit = std::min(limit, state_.durable_end);
  plan_largest(*job);
  largest_next(step, job);
}

// Goes on with the first segment from `from` on that can hold the record.
void TimestampSearch::first_from(Step& step, const JobRef& job, Offset from) {
  if (job->found) return answer(step, job);
  for (size_t i = state_.first_above(from); i < state_.segments.size(); ++i) {
    const Segment& segment = state_.segments[i];
    if (segment.base >= job->limit) break;
    if (segment.largest.timestamp < *job->wanted) continue;
    return scan(step, job, segment.base,
                [this, job, next = segment.next](Step& later) { first_from(later, job, next); });
  }
  answer(step, job);
}

// Of the segments that lie wholly in range only the one with the largest timestamp matters; the
// one that holds the log start and the one that holds the limit must be looked at.
void TimestampSearch::plan_largest(Job& job) const {
  const Segment* largest = nullptr;
  for (const Segment& segment : state_.segments) {
    if (segment.next <= state_.start || segment.base >= job.limit) continue;
    if (segment.base < state_.start || segment.next > job.limit) {
      job.candidates.push_back(segment.base);
    } else if (segment.largest.timestamp >= 0 &&
               (largest == nullptr || segment.largest.timestamp > largest->largest.timestamp)) {
      largest = &segment;
    }
  }
  if (largest != nullptr) job.candidates.push_back(largest->base);
  std::sort(job.candidates.begin(), job.candidates.end(), std::greater<>());
}

void TimestampSearch::largest_next(Step& step, const JobRef& job) {
  if (job->candidates.empty()) return answer(step, job);
  const Offset base = job->candidates.back();
  job->candidates.pop_back();
  // It may have been trimmed or merged meanwhile.
  if (state_.find_segment(base) == nullptr) return largest_next(step, job);
  scan(step, job, base, [this, job](Step& later) { largest_next(later, job); });
}

std::optional<uint64_t> TimestampSearch::position_in(const Segment& segment, const Job& job) const {
  std::optional<Offset> from;
  if (job.wanted) {
    from = segment.index.before_time(*job.wanted);
  } else if (segment.base < state_.start) {
    from = state_.start;
  } else if (segment.next <= job.limit) {
    from = segment.largest.last_offset;
  } else {
    from = segment.index.largest_time_before(job.limit);
  }
  if (!from) return std::nullopt;
  return segment.index.position_of(*from);
}

void TimestampSearch::scan(Step& step, const JobRef& job, Offset base,
                           std::function<void(Step&)> next) {
  Segment& segment = *state_.find_segment(base);
  const auto position = position_in(segment, *job);
  if (!position) {
    auto on_loaded = [this, job, base, next = std::move(next)](Step& later, const Status& status) {
      if (!status) {
        job->status = status;
        return answer(later, job);
      }
      if (state_.find_segment(base) == nullptr) return next(later);
      scan(later, job, base, next);
    };
    return indexes_.load(step, base, std::move(on_loaded));
  }
  indexes_.touch(segment);
  const uint64_t durable = state_.durable_size_of(segment);
  scan_segment(
      step, state_.disk,
      {.file = state_.log_file(segment),
       // The index knows of batches that are not durable yet; nothing is found beyond those that
       // are.
       .from = std::min(*position, durable),
       .to = durable,
       .lowest = base,
       .limit = &segment == &state_.active() ? state_.durable_end : segment.next,
       .ends_at_limit = true,
       .chunk_bytes = kChunkBytes},
      [this, job](Step&, const ScannedBatch& batch) { return visit(job, batch); },
      [this, job, base, layout = state_.layout, next = std::move(next)](
          Step& later, const ScanEnd& end) { on_scanned(later, job, base, layout, end, next); });
}

// Returns false when the search in this segment is over.
bool TimestampSearch::visit(const JobRef& job, const ScannedBatch& batch) const {
  if (batch.header.base_offset >= job->limit) return false;
  const int64_t least = job->wanted ? *job->wanted : job->timestamp + 1;
  if (batch.header.max_timestamp < least || batch.header.next_offset() <= state_.start) return true;
  Result<record::RecordReader> reader = record::RecordReader::open(batch.bytes);
  Result<std::optional<record::RecordView>> record = std::nullopt;
  while (reader && (record = reader->next()) && *record) {
    const record::RecordView& view = **record;
    if (view.offset >= job->limit) break;
    if (view.offset < state_.start) continue;
    if (view.timestamp < (job->wanted ? *job->wanted : job->timestamp + 1)) continue;
    job->found = view.offset;
    job->timestamp = view.timestamp;
    if (job->wanted) return false;
  }
  if (!reader) job->status = fail(reader.error());
  if (!record) job->status = fail(record.error());
  return job->status.has_value();
}

void TimestampSearch::on_scanned(Step& step, const JobRef& job, Offset base, uint64_t layout,
                                 const ScanEnd& end, const std::function<void(Step&)>& next) {
  if (!job->status) return answer(step, job);
  const bool whole = end.kind == ScanEnd::Kind::kComplete || end.kind == ScanEnd::Kind::kStopped;
  if (!whole) {
    // Files may have been changed under the search: then what it met is no damage.
    const Segment* segment = state_.find_segment(base);
    if (segment == nullptr) return next(step);
    if (state_.layout != layout || segment->swapping) return scan(step, job, base, next);
    job->status = fail(to_error(end, state_.path_of(base, FileKind::kLog)));
    return answer(step, job);
  }
  next(step);
}

void TimestampSearch::answer(Step& step, const JobRef& job) {
  engine::TimestampFound found{
      .ticket = job->ticket, .status = job->status, .offset = {}, .timestamp = -1};
  if (job->status && job->found) {
    found.offset = job->found;
    found.timestamp = job->timestamp;
  }
  step.tell(std::move(found));
}

}  // namespace magpie::log
