// A disk in memory that does at once, and for good, whatever it is asked to; for tests of the node.
//
// It is well behaved on purpose: what real disks do to the node's data is the business of `sim`.
// Two things can be asked of it: to hold finished effects back, and to refuse to write.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::node::testing {

class MemoryDisk {
 public:
  // Carries out one disk effect; the result waits in `next_done`. REQUIRES: it is a disk effect.
  void submit(const port::Effect& effect);

  // The oldest result nobody has seen yet; nothing while results are held back.
  std::optional<port::DiskDone> next_done();

  // While held, effects happen but nobody hears of it: acknowledgements have to wait.
  void hold(bool held) { held_ = held ? std::optional<std::string>("") : std::nullopt; }
  // The same for effects on paths that begin like this only; the others overtake them.
  void hold_below(std::string path_begin) { held_ = std::move(path_begin); }
  // The results that nobody saw are lost, as when the process ends.
  void forget_results() { done_.clear(); }
  // While set, everything that writes fails with it.
  void set_write_error(std::optional<Error> error) { set_write_error_below("", std::move(error)); }
  // The same for paths that begin like this.
  void set_write_error_below(std::string path_begin, std::optional<Error> error) {
    error_below_ = std::move(path_begin);
    write_error_ = std::move(error);
  }

  // While set, this file cannot be read.
  void set_unreadable(std::optional<std::string> path) { unreadable_ = std::move(path); }

  // While set, folders below it, or to come there, are not moved and not removed.
  void hold_folders(std::optional<std::string> path_begin) { stuck_ = std::move(path_begin); }

  // Path to content; tests may look and damage.
  std::map<std::string, std::string>& files() { return files_; }

 private:
  port::DiskDone carry_out(const port::WriteFile& effect);
  port::DiskDone carry_out(const port::SyncFile& effect);
  port::DiskDone carry_out(const port::ReadFile& effect);
  port::DiskDone carry_out(const port::TruncateFile& effect);
  port::DiskDone carry_out(const port::ReplaceFile& effect);
  port::DiskDone carry_out(const port::RenameFile& effect);
  port::DiskDone carry_out(const port::RemoveFile& effect);
  port::DiskDone carry_out(const port::ListFolder& effect);
  port::DiskDone carry_out(const port::RemoveFolder& effect);
  port::DiskDone carry_out(const port::RenameFolder& effect);

  bool refuses(const std::string& path) const {
    return write_error_ && path.starts_with(error_below_);
  }

  std::map<std::string, std::string> files_;
  struct Finished {
    std::string path;
    port::DiskDone done;
  };

  std::deque<Finished> done_;
  std::optional<std::string> held_;  // begin of the paths whose results are held back
  std::optional<Error> write_error_;
  std::string error_below_;
  std::optional<std::string> stuck_;
  std::optional<std::string> unreadable_;
};

}  // namespace magpie::node::testing
