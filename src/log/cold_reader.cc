#include "log/cold_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "log/batch_scan.h"

namespace magpie::log {
namespace {

constexpr uint64_t kReadMin = 4 * 1024;
constexpr uint64_t kReadMax = 8 * 1024 * 1024;

}  // namespace

void ColdReader::read(Step& step, const engine::Read& read) {
  auto job = std::make_shared<Job>(Job{.read = read, .segment = {}});
  job->read.limit = std::min(read.limit, state_.durable_end);
  locate(step, job);
}

void ColdReader::locate(Step& step, const JobRef& job) {
  const engine::Read& read = job->read;
  if (read.from < state_.start) {
    return answer(step, job,
                  fail(ErrorKind::kNotFound, fmt::format("offset {} is below the log start {}",
                                                         read.from.value, state_.start.value)));
  }
  const size_t index = state_.first_above(read.from);
  if (read.from >= read.limit || index == state_.segments.size() ||
      state_.segments[index].base >= read.limit) {
    return answer(step, job, BufferChain{});
  }
  Segment& segment = state_.segments[index];
  job->segment = job->lowest = segment.base;
  job->last_offset.reset();
  job->epoch.reset();
  uint64_t skip = 0;
  if (const Hint* hint = find_hint(read.from); hint != nullptr && hint->segment == segment.base) {
    job->position = hint->position;
    job->lowest = hint->next;
  } else if (read.from <= segment.base) {
    job->position = 0;
  } else if (const auto place = segment.index.place_of(read.from)) {
    indexes_.touch(segment);
    job->position = place->position;
    job->last_offset = place->last_offset;
    skip = static_cast<uint64_t>(std::max(state_.config.index_interval_bytes, 0));
  } else {
    return indexes_.load(step, segment.base, [this, job](Step& later, const Status& status) {
      if (!status) return answer(later, job, fail(status.error()));
      locate(later, job);
    });
  }
  ask(step, job, std::clamp(read.max_bytes, kReadMin, kReadMax) + skip);
}

void ColdReader::ask(Step& step, const JobRef& job, uint64_t length) {
  Segment& segment = *state_.find_segment(job->segment);
  job->layout = state_.layout;
  // One more header shows whether the last batch fits in.
  job->requested =
      std::min(length + record::kBatchHeaderBytes, state_.durable_size_of(segment) - job->position);
  auto on_done = [this, job](Step& later, const port::DiskDone& done) {
    on_data(later, job, done);
  };
  step.ask(port::ReadFile{state_.log_file(segment), job->position, job->requested,
                          state_.disk.then(std::move(on_done))});
}

// Whether the fields of `header` that the checksum does not cover agree with the batch before it
// or, where one is not known or differs, with the batch after it.
ColdReader::Fit ColdReader::fit(const Job& job, const Buffer& data, const Gathered& gathered,
                                const record::BatchHeader& header) const {
  if (gathered.epoch == header.leader_epoch && gathered.next == header.base_offset) {
    return Fit::kYes;
  }
  if (gathered.epoch && header.leader_epoch < *gathered.epoch) return Fit::kNo;
  if (gathered.end == 0 && job.last_offset && header.last_offset() != *job.last_offset) {
    return Fit::kNo;
  }
  const Segment& segment = *state_.find_segment(job.segment);
  const uint64_t end = gathered.end + header.size_bytes();
  if (job.position + end == state_.durable_size_of(segment)) {
    const bool active = &segment == &state_.active();
    const Offset last = active ? state_.durable_end : segment.next;
    return header.next_offset() == last ? Fit::kYes : Fit::kNo;
  }
  if (end + record::kBatchHeaderBytes > data.size()) return Fit::kUnknown;
  const record::BatchHeader after = record::parse_header(data.bytes().subspan(end));
  if (!record::is_plausible(after)) return Fit::kYes;  // it is that one which is damaged
  const bool fits =
      header.next_offset() <= after.base_offset && header.leader_epoch <= after.leader_epoch;
  return fits ? Fit::kYes : Fit::kNo;
}

ColdReader::Gathered ColdReader::gather(const Job& job, const Buffer& data) const {
  const engine::Read& read = job.read;
  Gathered gathered;
  gathered.next = job.lowest;
  gathered.epoch = job.epoch;
  uint64_t bytes = 0;
  while (gathered.end < data.size()) {
    const BatchLook look = look_at_batch(data.bytes(), gathered.end, gathered.next);
    if (look.kind == BatchLook::Kind::kDamaged) {
      gathered.damage = look.damage;
      return gathered;
    }
    const bool has_header = look.needed != record::kBatchHeaderBytes;
    const bool wanted = has_header && look.header.next_offset() > read.from;
    const uint64_t size = look.header.size_bytes();
    const bool beyond = wanted && look.header.next_offset() > read.limit;
    const bool some = !gathered.batches.empty();
    const bool too_much = bytes + size > read.max_bytes && (some || !read.at_least_one);
    gathered.full = wanted && (too_much || (beyond && some));
    if (gathered.full) return gathered;
    if (look.kind == BatchLook::Kind::kShort) {
      gathered.needed = look.needed;
      return gathered;
    }
    const Fit fits = fit(job, data, gathered, look.header);
    if (fits == Fit::kNo) gathered.damage = "offset or epoch do not fit the batches around";
    if (fits == Fit::kUnknown) gathered.needed = size;
    // That nothing is there to read is only believed of a batch that fits.
    gathered.full = beyond && fits == Fit::kYes;
    if (fits != Fit::kYes || beyond) return gathered;
    if (wanted) {
      gathered.batches.push_back(data.slice(gathered.end, size));
      bytes += size;
    }
    gathered.end += size;
    gathered.next = look.header.next_offset();
    gathered.epoch = look.header.leader_epoch;
  }
  return gathered;
}

void ColdReader::on_data(Step& step, const JobRef& job, const port::DiskDone& done) {
  if (state_.layout != job->layout) return locate(step, job);
  if (!done.status) return answer(step, job, fail(done.status.error()));
  Gathered gathered = gather(*job, done.data);
  // What came before the damage is good; the damage is met again by the next read.
  if (!gathered.batches.empty()) {
    remember(*job, gathered);
    return answer(step, job, std::move(gathered.batches));
  }
  if (gathered.damage != nullptr) return on_damage(step, job, gathered);
  if (gathered.full) return answer(step, job, BufferChain{});
  const Segment& segment = *state_.find_segment(job->segment);
  const bool file_ended = gathered.end == 0 && done.data.size() < job->requested;
  if (gathered.end > 0) {
    job->lowest = gathered.next;
    job->epoch = gathered.epoch;
    job->last_offset.reset();
  }
  job->position += std::exchange(gathered.end, 0);
  const uint64_t left = state_.durable_size_of(segment) - job->position;
  if (left == 0) {
    // The rest of this segment was compacted away; go on in the next one.
    job->read.from = &segment == &state_.active() ? job->read.limit : segment.next;
    return locate(step, job);
  }
  if (file_ended || gathered.needed > left) {
    gathered.damage = "the file is shorter than it should be";
    return on_damage(step, job, gathered);
  }
  ask(step, job, std::max(gathered.needed, kReadMin));
}

void ColdReader::on_damage(Step& step, const JobRef& job, const Gathered& gathered) {
  if (state_.find_segment(job->segment)->swapping) {
    // The name may already mean the other file. Look again when the swap is over.
    parked_.push_back(job);
    return;
  }
  answer(step, job,
         fail(ErrorKind::kCorrupt,
              fmt::format("{} is damaged at byte {} (offset {}): {}. Restore the file from another "
                          "copy",
                          state_.path_of(job->segment, FileKind::kLog),
                          job->position + gathered.end, gathered.next.value, gathered.damage)));
}

void ColdReader::on_swapped(Step& step) {
  for (const JobRef& job : std::exchange(parked_, {})) locate(step, job);
}

void ColdReader::answer(Step& step, const JobRef& job, Result<BufferChain> batches) {
  engine::ReadDone done{.ticket = job->read.ticket, .status = {}, .batches = {}};
  if (batches) {
    done.batches = std::move(*batches);
  } else {
    done.status = fail(std::move(batches.error()));
  }
  step.tell(std::move(done));
}

const ColdReader::Hint* ColdReader::find_hint(Offset from) const {
  for (const Hint& hint : hints_) {
    if (hint.next == from && hint.layout == state_.layout && hint.position > 0) return &hint;
  }
  return nullptr;
}

void ColdReader::remember(const Job& job, const Gathered& gathered) {
  hints_[next_hint_] = {gathered.next, job.segment, job.position + gathered.end, job.layout};
  next_hint_ = (next_hint_ + 1) % hints_.size();
}

}  // namespace magpie::log
