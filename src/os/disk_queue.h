// Who may do what next, and the workers that do it. Private to the disk; disk.h tells the idea.
//
// One mutex guards all bookkeeping and is never held during a call to the operating system. Lanes
// are touched by the submitting thread and the workers, always under the mutex; what a worker has
// taken out of a lane belongs to it alone, and `busy` keeps others away from the file meanwhile.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "os/disk.h"
#include "os/disk_lane.h"
#include "os/file_store.h"

namespace magpie::os {

class DiskQueue {
 public:
  DiskQueue(const DiskConfig& config, std::unique_ptr<FileStore> store, int event_descriptor);
  ~DiskQueue();

  void submit(port::WriteFile effect);
  void submit(port::ReadFile effect);
  void submit(const port::FileRef& file, FileOperation operation);
  void submit(WideOperation::Effect effect, std::vector<std::string> paths);

  void collect(std::vector<port::Event>& events);
  int descriptor() const { return event_descriptor_; }
  DiskCounters counters();

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Job = std::function<void()>;

  // --- lanes; the mutex is held ---
  Lane& lane_of(const port::FileRef& file);
  void retire_if_idle(Lane& lane);
  void push(Lane& lane, FileOperation operation);
  void advance(Lane& lane);
  void begin_read(Lane& lane, const port::ReadFile& effect);
  void end_read(Lane& lane);
  void start_read(Lane& lane, port::ReadFile effect);
  void start_exclusive(Lane& lane);
  bool held(const std::string& path) const;
  void remember_open(Lane& lane, const OpenFileRef& file);
  void forget_open(Lane& lane);
  void close_least_recent();
  void start(WideOperation& operation);
  void finish(WideOperation* operation, port::DiskDone done);
  void finish(Group& group);
  void finish_read(Lane& lane, const OpenFileRef& file, port::DiskDone done);
  void report(port::DiskDone done);
  void announce();
  void add_job(Job job);
  void add_slow_job(Job job);
  void wake_worker();
  void begin_late_sync(Lane& lane);

  // --- workers ---
  void work();
  Group take_group(Lane& lane);
  bool has_fast_work() const;
  bool has_slow_work() const;
  void run_fast(Lock& lock);
  void run_slow(Lock& lock);
  static void run_job(Lock& lock, std::deque<Job>& jobs);
  void run_ready(Lock& lock);
  void run_late_syncs(Lock& lock);
  Group take_late_syncs();
  void run_groups(Lock& lock, std::vector<Group> groups, bool together);
  // Whether one sync of the file system should stand for those of `files` files.
  bool wants_file_system_sync(size_t files) const;
  void write_group(Group& group);
  void sync_group(Group& group);
  void sync_together(std::vector<Group>& groups);
  void judge_file_system_sync(Duration took, size_t files);
  void run_read(Lane& lane, OpenFileRef file, const port::ReadFile& effect);
  void run_exclusive(Lane& lane, FileOperation operation);
  void run_wide(WideOperation* operation);
  const DiskConfig config_;
  const std::unique_ptr<FileStore> store_;
  const int event_descriptor_;

  std::mutex mutex_;
  std::condition_variable work_available_;
  bool stopping_ = false;
  std::unordered_map<uint64_t, std::unique_ptr<Lane>> lanes_;  // by FileId
  std::list<Lane*> recent_;                                    // least recently used first
  std::list<WideOperation> wide_operations_;                   // in the order given
  std::deque<Lane*> ready_;    // lanes whose turn begins with a write or sync …
  size_t ready_to_sync_ = 0;   // … and how many of them begin with a write that waits for a sync
  std::deque<Lane*> late_;     // lanes with syncs beside which writes go on
  std::deque<Job> jobs_;       // reads
  bool jobs_first_ = false;    // the two take turns
  std::deque<Job> slow_jobs_;  // everything else
  bool late_first_ = false;    // they take turns with late syncs
  int fast_running_ = 0;
  int slow_running_ = 0;
  std::vector<port::DiskDone> done_;
  bool announced_ = false;  // the eventfd is readable
  DiskCounters counters_;

  // When one syncfs() took longer than the single syncs it replaced would have, because somebody
  // else writes to the same file system, it is not tried again for a while.
  bool file_system_sync_running_ = false;
  int64_t file_sync_nanos_ = 250'000;  // moving average
  Instant file_system_sync_after_;

  size_t idle_workers_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace magpie::os
