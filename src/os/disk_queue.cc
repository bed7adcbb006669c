#include "os/disk_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace magpie::os {
namespace {

// True if `path` is `scope` or lies below it. The empty scope is the data directory.
bool lies_in(const std::string& path, const std::string& scope) {
  return scope.empty() ||
         (path.starts_with(scope) && (path.size() == scope.size() || path[scope.size()] == '/'));
}

bool concerns(const WideOperation& operation, const std::string& path) {
  return std::any_of(operation.paths.begin(), operation.paths.end(),
                     [&](const std::string& scope) { return lies_in(path, scope); });
}

bool conflict(const WideOperation& one, const std::vector<std::string>& paths) {
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    return concerns(one, path) ||
           std::any_of(one.paths.begin(), one.paths.end(),
                       [&](const std::string& other) { return lies_in(other, path); });
  });
}

bool is_exclusive(const FileOperation& operation) {
  return std::holds_alternative<port::TruncateFile>(operation) ||
         std::holds_alternative<port::ReplaceFile>(operation) ||
         std::holds_alternative<port::RemoveFile>(operation) ||
         std::holds_alternative<Barrier>(operation);
}

}  // namespace

DiskQueue::DiskQueue(const DiskConfig& config, std::unique_ptr<FileStore> store,
                     int event_descriptor)
    : config_(config), store_(std::move(store)), event_descriptor_(event_descriptor) {
  CHECK(config_.workers > 0 && config_.slow_workers > 0);
  CHECK(config_.open_files > 0);
}

DiskQueue::~DiskQueue() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  work_available_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  ::close(event_descriptor_);
}

// --- submitting ---------------------------------------------------------------------------------

void DiskQueue::submit(port::WriteFile effect) {
  Lock lock(mutex_);
  Lane& lane = lane_of(effect.file);
  const bool at_once = !effect.sync && !lane.busy && lane.waiting.empty() &&
                       !lane.must_wait(effect) && !held(effect.file->path) &&
                       size_of(effect.bytes) <= config_.inline_write_bytes;
  if (!at_once) {
    push(lane, std::move(effect));
    return;
  }
  Group group = {.lane = &lane, .file = lane.file, .open_file = lane.open_file};
  group.operations.push_back(std::move(effect));
  lane.busy = true;
  lane.writes = 1;
  lock.unlock();
  write_group(group);
  lock.lock();
  finish(group);
}

void DiskQueue::submit(port::ReadFile effect) {
  Lock lock(mutex_);
  Lane& lane = lane_of(effect.file);
  const bool independent =
      lane.exclusive == 0 && !held(effect.file->path) &&
      (lane.writes == 0 || (effect.position <= lane.lowest_write &&
                            effect.length <= lane.lowest_write - effect.position));
  if (!independent) {
    push(lane, std::move(effect));
    return;
  }
  OpenFileRef file = lane.open_file;
  if (effect.length > config_.inline_read_bytes || file == nullptr) {
    start_read(lane, std::move(effect));
    return;
  }
  begin_read(lane, effect);
  lock.unlock();
  std::optional<Buffer> data = store_->read_cached(*file, effect.position, effect.length);
  lock.lock();
  if (data.has_value()) {
    finish_read(lane, file, {.then = effect.then, .data = std::move(*data)});
    return;
  }
  end_read(lane);
  start_read(lane, std::move(effect));
}

void DiskQueue::submit(const port::FileRef& file, FileOperation operation) {
  const Lock lock(mutex_);
  push(lane_of(file), std::move(operation));
}

void DiskQueue::submit(WideOperation::Effect effect, std::vector<std::string> paths) {
  const Lock lock(mutex_);
  std::vector<WideOperation*> earlier;
  for (WideOperation& other : wide_operations_) {
    if (conflict(other, paths)) earlier.push_back(&other);
  }
  WideOperation& operation = wide_operations_.emplace_back();
  operation.effect = std::move(effect);
  operation.paths = std::move(paths);
  operation.waits_for = earlier.size();
  for (WideOperation* other : earlier) other->followers.push_back(&operation);
  for (Lane* lane : recent_) {
    if (lane->idle() || !concerns(operation, lane->file->path)) continue;
    lane->waiting.push_back(Barrier{&operation});
    ++lane->exclusive;
    operation.lanes.push_back(lane);
    ++operation.waits_for;
  }
  if (operation.waits_for == 0) start(operation);
}

void DiskQueue::collect(std::vector<port::Event>& events) {
  std::vector<port::DiskDone> done;
  {
    const Lock lock(mutex_);
    if (done_.empty()) return;
    done.swap(done_);
    eventfd_t ignored = 0;
    if (announced_) (void)::eventfd_read(event_descriptor_, &ignored);
    announced_ = false;
  }
  for (port::DiskDone& one : done) events.emplace_back(std::move(one));
}

DiskCounters DiskQueue::counters() {
  const Lock lock(mutex_);
  return counters_;
}

// --- lanes --------------------------------------------------------------------------------------

Lane& DiskQueue::lane_of(const port::FileRef& file) {
  CHECK(file != nullptr);
  std::unique_ptr<Lane>& lane = lanes_[file->id.value];
  if (lane == nullptr) {
    lane = std::make_unique<Lane>();
    lane->file = file;
    lane->recent = recent_.insert(recent_.end(), lane.get());
  } else {
    recent_.splice(recent_.end(), recent_, lane->recent);
  }
  return *lane;
}

void DiskQueue::retire_if_idle(Lane& lane) {
  if (!lane.idle() || lane.open_file != nullptr) return;
  recent_.erase(lane.recent);
  lanes_.erase(lane.file->id.value);  // ends the lane
}

bool DiskQueue::held(const std::string& path) const {
  return std::any_of(wide_operations_.begin(), wide_operations_.end(),
                     [&](const WideOperation& operation) { return concerns(operation, path); });
}

void DiskQueue::push(Lane& lane, FileOperation operation) {
  for (WideOperation& wide : wide_operations_) {
    if (!concerns(wide, lane.file->path)) continue;
    if (std::find(wide.lanes.begin(), wide.lanes.end(), &lane) != wide.lanes.end()) continue;
    lane.waiting.push_back(Barrier{&wide});
    ++lane.exclusive;
    wide.lanes.push_back(&lane);
    if (!wide.started) ++wide.waits_for;
  }
  if (is_exclusive(operation)) ++lane.exclusive;
  if (const auto* write = std::get_if<port::WriteFile>(&operation)) {
    ++lane.writes;
    lane.lowest_write = std::min(lane.lowest_write, write->position);
  }
  lane.waiting.push_back(std::move(operation));
  advance(lane);
}

void DiskQueue::advance(Lane& lane) {
  while (!lane.busy && !lane.waiting.empty()) {
    FileOperation& next = lane.waiting.front();
    if (auto* read = std::get_if<port::ReadFile>(&next)) {
      port::ReadFile effect = std::move(*read);
      lane.waiting.erase(lane.waiting.begin());
      start_read(lane, std::move(effect));
    } else if (!is_exclusive(next)) {
      const auto* write = std::get_if<port::WriteFile>(&next);
      if (write != nullptr && lane.must_wait(*write)) return;
      lane.busy = true;
      ready_.push_back(&lane);
      if (write != nullptr && write->sync) ++ready_to_sync_;
      wake_worker();
    } else if (lane.reads > 0 || lane.has_late_sync()) {
      return;  // the last of them to finish comes back here
    } else if (auto* barrier = std::get_if<Barrier>(&next)) {
      lane.busy = true;  // until the wide operation is done
      WideOperation& wide = *barrier->operation;
      if (!wide.started && --wide.waits_for == 0) start(wide);
    } else {
      start_exclusive(lane);
    }
  }
  retire_if_idle(lane);
}

void DiskQueue::begin_read(Lane& lane, const port::ReadFile& effect) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const uint64_t end =
      effect.length > kMax - effect.position ? kMax : effect.position + effect.length;
  lane.read_end = lane.reads == 0 ? end : std::max(lane.read_end, end);
  ++lane.reads;
}

void DiskQueue::end_read(Lane& lane) {
  CHECK(lane.reads > 0);
  --lane.reads;
}

void DiskQueue::start_read(Lane& lane, port::ReadFile effect) {
  begin_read(lane, effect);
  add_job([this, &lane, file = lane.open_file, effect = std::move(effect)]() mutable {
    run_read(lane, std::move(file), effect);
  });
}

void DiskQueue::start_exclusive(Lane& lane) {
  lane.busy = true;
  FileOperation operation = std::move(lane.waiting.front());
  lane.waiting.erase(lane.waiting.begin());
  // The descriptor of a removed or replaced file names the old file.
  if (!std::holds_alternative<port::TruncateFile>(operation)) forget_open(lane);
  add_slow_job([this, &lane, operation = std::move(operation)]() mutable {
    run_exclusive(lane, std::move(operation));
  });
}

void DiskQueue::start(WideOperation& operation) {
  CHECK(!operation.started);
  operation.started = true;
  if (!std::holds_alternative<port::ListFolder>(operation.effect)) {
    for (auto next = recent_.begin(); next != recent_.end();) {
      Lane& lane = **next++;
      if (!concerns(operation, lane.file->path)) continue;
      forget_open(lane);
      retire_if_idle(lane);
    }
  }
  add_slow_job([this, &operation] { run_wide(&operation); });
}

void DiskQueue::finish(WideOperation* operation, port::DiskDone done) {
  report(std::move(done));
  const std::vector<Lane*> lanes = std::move(operation->lanes);
  const std::vector<WideOperation*> followers = std::move(operation->followers);
  wide_operations_.remove_if([&](const WideOperation& other) { return &other == operation; });
  for (WideOperation* follower : followers) {
    if (--follower->waits_for == 0) start(*follower);
  }
  for (Lane* lane : lanes) {
    CHECK(lane->busy && std::holds_alternative<Barrier>(lane->waiting.front()));
    lane->waiting.erase(lane->waiting.begin());
    --lane->exclusive;
    lane->busy = false;
    advance(*lane);
  }
}

void DiskQueue::finish(Group& group) {
  Lane& lane = *group.lane;
  for (size_t i = 0; i < group.operations.size(); ++i) {
    if (const auto* write = std::get_if<port::WriteFile>(&group.operations[i])) {
      report({.then = write->then, .status = std::move(group.results[i])});
      ++counters_.writes;
      --lane.writes;
    } else if (group.late_syncs.empty()) {
      report({.then = std::get<port::SyncFile>(group.operations[i]).then,
              .status = std::move(group.results[i])});
    }
  }
  if (lane.writes == 0) lane.lowest_write = std::numeric_limits<uint64_t>::max();
  remember_open(lane, group.open_file);
  if (group.late) {
    lane.late_sync_under_way = false;
  } else {
    lane.busy = false;
  }
  for (FileOperation& sync : group.late_syncs) lane.late_syncs.push_back(std::move(sync));
  begin_late_sync(lane);
  advance(lane);
}

void DiskQueue::begin_late_sync(Lane& lane) {
  if (lane.late_sync_under_way || lane.late_syncs.empty()) return;
  lane.late_sync_under_way = true;
  late_.push_back(&lane);
  wake_worker();
}

void DiskQueue::finish_read(Lane& lane, const OpenFileRef& file, port::DiskDone done) {
  report(std::move(done));
  remember_open(lane, file);
  end_read(lane);
  advance(lane);
}

// --- descriptors --------------------------------------------------------------------------------

void DiskQueue::remember_open(Lane& lane, const OpenFileRef& file) {
  if (file == nullptr || lane.open_file == file) return;
  if (lane.open_file == nullptr) ++counters_.open_files;
  lane.open_file = file;
  if (counters_.open_files > config_.open_files) close_least_recent();
}

void DiskQueue::forget_open(Lane& lane) {
  if (lane.open_file == nullptr) return;
  lane.open_file = nullptr;
  --counters_.open_files;
}

void DiskQueue::close_least_recent() {
  for (Lane* lane : recent_) {
    if (!lane->idle() || lane->open_file == nullptr) continue;
    forget_open(*lane);
    retire_if_idle(*lane);
    return;
  }
}

// --- handing over -------------------------------------------------------------------------------

void DiskQueue::report(port::DiskDone done) {
  done_.push_back(std::move(done));
}

void DiskQueue::announce() {
  if (announced_ || done_.empty()) return;
  announced_ = true;
  (void)::eventfd_write(event_descriptor_, 1);
}

void DiskQueue::add_job(Job job) {
  jobs_.push_back(std::move(job));
  wake_worker();
}

void DiskQueue::add_slow_job(Job job) {
  slow_jobs_.push_back(std::move(job));
  wake_worker();
}

void DiskQueue::wake_worker() {
  const size_t waiting = jobs_.size() + ready_.size() + slow_jobs_.size() + late_.size();
  const auto most = static_cast<size_t>(config_.workers + config_.slow_workers);
  if (waiting > idle_workers_ && workers_.size() < most) {
    workers_.emplace_back([this] { work(); });
  } else {
    work_available_.notify_one();
  }
}

}  // namespace magpie::os
