// The data directory: carries out disk effects and reports when they are done.
//
// The problem: an acknowledgement waits for the device, and a device does few syncs per second but
// each of them can cover many writes. The idea is group commit by lateness: a write that must be
// durable is only queued with its file. A worker takes over everything queued for a file at the
// moment it is free, writes it with one gathered call and syncs once; what arrives meanwhile forms
// the next group. Files sync in parallel on several workers, and when very many files wait at once
// one syncfs() covers them all. Writes that need not be durable, and reads that the page cache can
// answer, are carried out at once on the calling thread, which is cheaper than handing them over.
//
// A sync that nobody's write waits for (SyncFile) is carried out beside later writes of the same
// file, by workers of its own: it may take seconds where much was written without `sync`.
//
// The guarantee: effects on one file take effect in the order given; a completion with `sync`
// means that everything written to the file before survives a power loss, its name included. An
// effect on folders, or one that renames, waits for all earlier effects on the names it concerns
// and holds back the later ones. Reads of bytes that no waiting write touches do not wait.
// After a failed write the writes that were queued behind it for the same file fail too, so no hole
// appears.
//
// What it does not do: it retries nothing and hides nothing. Order between different files is not
// kept, and a process that ends drops what has not started.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/file_calls.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::os {

struct DiskConfig {
  std::string directory;
  int workers = 4;  // for reads and writes
  // For what may take long: syncs on their own, and replacing, cutting, renaming, removing.
  int slow_workers = 3;
  // Descriptors kept open; beyond it the least recently used one is closed.
  size_t open_files = 4'096;
  // When this many files wait for a sync, one syncfs() covers them; 0 turns that off. Measured on
  // ext4 with 1,000 files: 2.5 to 4 times the throughput of single syncs.
  size_t files_per_file_system_sync = 32;
  // Larger reads go to a worker even if they could be answered from memory.
  uint64_t inline_read_bytes = 1024 * 1024;
  // Larger writes without `sync` go to a worker too: the kernel stops whoever writes much while the
  // device is behind, and that must not be the loop.
  uint64_t inline_write_bytes = 64 * 1024;
};

struct DiskCounters {
  uint64_t writes = 0;             // write effects carried out
  uint64_t file_syncs = 0;         // fdatasync calls
  uint64_t file_system_syncs = 0;  // syncfs calls
  uint64_t open_files = 0;
};

class DiskQueue;

class Disk {
 public:
  // `calls` must live longer than the disk. Error: the directory cannot be opened.
  static Result<std::unique_ptr<Disk>> open(const DiskConfig& config, FileCalls& calls);

  // Waits for the operations that have started; those that have not are dropped.
  ~Disk();

  // Takes over one effect; its DiskDone comes out of collect(), at once if the effect could be
  // carried out at once.
  void carry_out(port::WriteFile effect);
  void carry_out(port::SyncFile effect);
  void carry_out(port::ReadFile effect);
  void carry_out(port::TruncateFile effect);
  void carry_out(port::ReplaceFile effect);
  void carry_out(port::RemoveFile effect);
  void carry_out(port::RenameFile effect);
  void carry_out(port::ListFolder effect);
  void carry_out(port::RemoveFolder effect);
  void carry_out(port::RenameFolder effect);

  // Appends the completions that have come in since the last call.
  void collect(std::vector<port::Event>& events);

  // An eventfd, readable when workers have finished something that collect() did not return yet.
  int descriptor() const;

  DiskCounters counters() const;

 private:
  explicit Disk(std::unique_ptr<DiskQueue> queue);

  std::unique_ptr<DiskQueue> queue_;
};

}  // namespace magpie::os
