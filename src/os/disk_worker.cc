// What the disk's workers do: everything here runs outside the mutex, except where a Lock says so.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "os/clock.h"
#include "os/disk_queue.h"

namespace magpie::os {
namespace {

// A group stops growing here, so that the first write in it does not wait for very much more.
constexpr uint64_t kGroupBytes = 16 * 1024 * 1024;

constexpr Duration kFileSystemSyncPause = Duration::seconds(30);

bool waits_for_sync(const FileOperation& operation) {
  const auto* write = std::get_if<port::WriteFile>(&operation);
  return write == nullptr || write->sync;
}

bool is_write_that_waits(const FileOperation& operation) {
  const auto* write = std::get_if<port::WriteFile>(&operation);
  return write != nullptr && write->sync;
}

// Signals are for the main thread.
void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

void DiskQueue::work() {
  block_signals();
  ::pthread_setname_np(::pthread_self(), "magpie-disk");
  Lock lock(mutex_);
  while (true) {
    ++idle_workers_;
    work_available_.wait(lock, [&] { return stopping_ || has_fast_work() || has_slow_work(); });
    --idle_workers_;
    if (stopping_) return;
    if (has_fast_work()) {
      ++fast_running_;
      run_fast(lock);
      --fast_running_;
    } else {
      ++slow_running_;
      run_slow(lock);
      --slow_running_;
    }
    announce();
  }
}

bool DiskQueue::has_fast_work() const {
  return fast_running_ < config_.workers && (!ready_.empty() || !jobs_.empty());
}

bool DiskQueue::has_slow_work() const {
  return slow_running_ < config_.slow_workers && (!slow_jobs_.empty() || !late_.empty());
}

void DiskQueue::run_fast(Lock& lock) {
  jobs_first_ = !jobs_first_;
  if (ready_.empty() || (jobs_first_ && !jobs_.empty())) {
    run_job(lock, jobs_);
  } else {
    run_ready(lock);
  }
}

void DiskQueue::run_slow(Lock& lock) {
  late_first_ = !late_first_;
  if (late_.empty() || (!late_first_ && !slow_jobs_.empty())) {
    run_job(lock, slow_jobs_);
  } else {
    run_late_syncs(lock);
  }
}

void DiskQueue::run_job(Lock& lock, std::deque<Job>& jobs) {
  Job job = std::move(jobs.front());
  jobs.pop_front();
  lock.unlock();
  job();
  job = nullptr;
  lock.lock();
}

// --- groups of writes ---------------------------------------------------------------------------

Group DiskQueue::take_group(Lane& lane) {
  CHECK(lane.busy);
  Group group = {.lane = &lane, .file = lane.file, .open_file = lane.open_file};
  uint64_t bytes = 0;
  auto end = lane.waiting.begin();
  for (; end != lane.waiting.end() && bytes < kGroupBytes; ++end) {
    const auto* write = std::get_if<port::WriteFile>(&*end);
    if (write == nullptr && !std::holds_alternative<port::SyncFile>(*end)) break;
    if (write != nullptr && lane.must_wait(*write)) break;
    if (write != nullptr) bytes += size_of(write->bytes);
    group.needs_sync = group.needs_sync || is_write_that_waits(*end);
  }
  group.operations.assign(std::make_move_iterator(lane.waiting.begin()),
                          std::make_move_iterator(end));
  lane.waiting.erase(lane.waiting.begin(), end);
  CHECK(!group.operations.empty());
  for (const FileOperation& operation : group.operations) {
    if (group.needs_sync || !std::holds_alternative<port::SyncFile>(operation)) continue;
    group.late_syncs.push_back(operation);
  }
  return group;
}

void DiskQueue::run_ready(Lock& lock) {
  const bool together = wants_file_system_sync(ready_to_sync_);
  std::vector<Group> groups;
  do {
    Lane& lane = *ready_.front();
    ready_.pop_front();
    if (is_write_that_waits(lane.waiting.front())) --ready_to_sync_;
    groups.push_back(take_group(lane));
  } while (together && !ready_.empty());
  run_groups(lock, std::move(groups), together);
}

void DiskQueue::run_late_syncs(Lock& lock) {
  const bool together = wants_file_system_sync(late_.size());
  std::vector<Group> groups;
  do {
    groups.push_back(take_late_syncs());
  } while (together && !late_.empty());
  run_groups(lock, std::move(groups), together);
}

Group DiskQueue::take_late_syncs() {
  Lane& lane = *late_.front();
  late_.pop_front();
  return {.lane = &lane,
          .file = lane.file,
          .open_file = lane.open_file,
          .operations = std::exchange(lane.late_syncs, {}),
          .needs_sync = true,
          .late = true};
}

void DiskQueue::run_groups(Lock& lock, std::vector<Group> groups, bool together) {
  if (together) file_system_sync_running_ = true;
  lock.unlock();
  for (Group& group : groups) write_group(group);
  const Instant begin = read_clocks().instant;
  if (together) {
    sync_together(groups);
  } else {
    CHECK(groups.size() == 1);
    if (groups.front().needs_sync) sync_group(groups.front());
  }
  const Duration took = read_clocks().instant - begin;
  lock.lock();
  if (together) {
    ++counters_.file_system_syncs;
    judge_file_system_sync(took, groups.size());
    file_system_sync_running_ = false;
  } else if (groups.front().needs_sync) {
    ++counters_.file_syncs;
    // A late sync may have far more to write than those a write waits for.
    if (!groups.front().late) file_sync_nanos_ += (took.nanos - file_sync_nanos_) / 16;
  }
  for (Group& group : groups) finish(group);
}

bool DiskQueue::wants_file_system_sync(size_t files) const {
  return config_.files_per_file_system_sync > 0 && !file_system_sync_running_ &&
         files >= config_.files_per_file_system_sync && store_->can_sync_file_system() &&
         read_clocks().instant >= file_system_sync_after_;
}

void DiskQueue::judge_file_system_sync(Duration took, size_t files) {
  const int64_t singly = file_sync_nanos_ * static_cast<int64_t>(files) / config_.workers;
  if (took.nanos <= singly) return;
  file_system_sync_after_ = read_clocks().instant + kFileSystemSyncPause;
}

void DiskQueue::write_group(Group& group) {
  const std::vector<FileOperation>& operations = group.operations;
  const std::string& path = group.file->path;
  group.results.assign(operations.size(), Status{});
  Status state;
  if (group.open_file == nullptr || !group.open_file->writable()) {
    Result<OpenFileRef> opened = store_->open_file(path, Access::kWrite);
    if (opened) {
      group.open_file = std::move(*opened);
    } else {
      state = fail(opened.error());
    }
  }
  if (!state) {
    std::fill(group.results.begin(), group.results.end(), state);
    group.needs_sync = false;
    return;
  }
  for (size_t begin = 0; begin < operations.size();) {
    // Writes that follow one another in the file become one call.
    std::vector<iovec> pieces;
    uint64_t position = 0;
    uint64_t length = 0;
    size_t end = begin;
    for (; end < operations.size(); ++end) {
      const auto* write = std::get_if<port::WriteFile>(&operations[end]);
      if (write == nullptr) continue;
      if (pieces.empty() && length == 0) position = write->position;
      if (write->position != position + length) break;
      for (const Buffer& piece : write->bytes) {
        pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
      }
      length += size_of(write->bytes);
    }
    uint64_t written = 0;
    if (state) state = store_->write(*group.open_file, path, std::move(pieces), position, &written);
    for (; begin < end; ++begin) {
      const auto* write = std::get_if<port::WriteFile>(&operations[begin]);
      if (write == nullptr || write->position + size_of(write->bytes) <= position + written) {
        continue;
      }
      group.results[begin] = state;
    }
  }
}

void DiskQueue::sync_group(Group& group) {
  const Status synced = store_->sync(*group.open_file, group.file->path);
  if (synced) return;
  for (size_t i = 0; i < group.operations.size(); ++i) {
    if (waits_for_sync(group.operations[i]) && group.results[i]) group.results[i] = synced;
  }
}

void DiskQueue::sync_together(std::vector<Group>& groups) {
  const bool together = store_->sync_file_system().has_value();
  for (Group& group : groups) {
    if (!group.needs_sync) continue;
    // A failed syncfs() does not say which file it was, and it says nothing at all about files that
    // a link puts on another file system.
    if (!together || !group.open_file->in_file_system()) sync_group(group);
  }
}

// --- everything else ----------------------------------------------------------------------------

void DiskQueue::run_read(Lane& lane, OpenFileRef file, const port::ReadFile& effect) {
  port::DiskDone done = {.then = effect.then};
  const std::string& path = effect.file->path;
  if (file == nullptr) {
    Result<OpenFileRef> opened = store_->open_file(path, Access::kRead);
    if (opened) {
      file = std::move(*opened);
    } else {
      done.status = fail(opened.error());
    }
  }
  if (file != nullptr) {
    Result<Buffer> data = store_->read(*file, path, effect.position, effect.length);
    if (data) {
      done.data = std::move(*data);
    } else {
      done.status = fail(data.error());
    }
  }
  const Lock lock(mutex_);
  finish_read(lane, file, std::move(done));
}

void DiskQueue::run_exclusive(Lane& lane, FileOperation operation) {
  const std::string& path = lane.file->path;
  port::DiskDone done;
  if (const auto* cut = std::get_if<port::TruncateFile>(&operation)) {
    done = {.then = cut->then, .status = store_->truncate(path, cut->size)};
  } else if (const auto* replace = std::get_if<port::ReplaceFile>(&operation)) {
    done = {.then = replace->then, .status = store_->replace(path, replace->bytes)};
  } else {
    const auto& remove = std::get<port::RemoveFile>(operation);
    done = {.then = remove.then, .status = store_->remove(path)};
  }
  const Lock lock(mutex_);
  report(std::move(done));
  --lane.exclusive;
  lane.busy = false;
  advance(lane);
}

void DiskQueue::run_wide(WideOperation* operation) {
  port::DiskDone done;
  if (const auto* move = std::get_if<port::RenameFile>(&operation->effect)) {
    done = {.then = move->then, .status = store_->rename(move->file->path, move->to->path)};
  } else if (const auto* list = std::get_if<port::ListFolder>(&operation->effect)) {
    done.then = list->then;
    auto entries = store_->list(list->path);
    if (entries) {
      done.listing = std::move(*entries);
    } else {
      done.status = fail(entries.error());
    }
  } else if (const auto* remove = std::get_if<port::RemoveFolder>(&operation->effect)) {
    done = {.then = remove->then, .status = store_->remove_folder(remove->path)};
  } else {
    const auto& move_folder = std::get<port::RenameFolder>(operation->effect);
    done = {.then = move_folder.then, .status = store_->rename(move_folder.path, move_folder.to)};
  }
  const Lock lock(mutex_);
  finish(operation, std::move(done));
}

}  // namespace magpie::os
