// How old a data directory is, so that one that was put back to an earlier state is noticed.
//
// The problem: what a node once said it holds is believed of its directory for good. One that was
// put back (a snapshot of a disk, a virtual machine that was rolled back, a backup copied over)
// bears the same incarnation and holds less: it could be made leader without what it had
// acknowledged (G1), and has forgotten which epochs it had accepted. The idea: an age, a number
// that grows while the node runs, first on its disk and only then in the control store. A directory
// that is younger than the store knows it was put back, and is refused as soon as the store is
// read, before its node holds a lease. The age belongs to the directory and not to an incarnation:
// a directory can have several (directory_opening.h).
//
// What it does not do: notice what was put back by less than an interval, or while the store cannot
// be asked. The store of a cluster that was restored itself may know less than the directory does;
// that is not held against the directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/change.h"
#include "control/refusal.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control {

// Where it is in the data directory: one line, the age and its CRC-32C. Who lacks it has age 0.
inline constexpr std::string_view kDirectoryAgePath = "control/age";
std::string encode_age_file(int64_t age);
// `path` appears in messages. kCorrupt if the text is not what encode_age_file() writes.
Result<int64_t> decode_age_file(std::string_view path, std::string_view text);

// Keys of the cluster's state: directory_ages/<node>/<directory>, for every directory that the node
// ever had, named by its first incarnation. They stay: a copy of any of them can come back.
inline constexpr std::string_view kDirectoryAgePrefix = "directory_ages/";
std::string directory_age_key(NodeId node, const Uuid& directory);
std::string encode_known_age(int64_t age);
// Nothing if it is malformed, or of a newer version.
std::optional<int64_t> decode_known_age(std::string_view value);

// Why the node cannot come in with this directory; nothing if it can. What the store knows and this
// version cannot read is held against it, too.
std::optional<Refusal> age_problem(const State& state, NodeId node, const Uuid& directory,
                                   int64_t age);

// Tells the store the age, while the node is registered as this state shows it, and the store knows
// the directory as it does: a request of an earlier process that arrives late changes nothing.
Transaction tell_age(const State& state, NodeId node, const Uuid& directory, int64_t age);

// The age of the directory of a node that runs.
class DirectoryAge {
 public:
  // A write ends with `written`. `interval`: between two ages.
  DirectoryAge(port::FileRef file, port::Completion written, Duration interval);

  // What the directory says at the start.
  void begin(int64_t age) { on_disk_ = told_ = age; }

  // Begins to write the next one if it is time. What the disk refuses is said once, and comes with
  // the next.
  void tick(Instant now, port::Effects& effects);
  void finish(const port::DiskDone& done, port::Effects& effects);
  Instant next_deadline() const { return writing_ ? Instant::never() : next_; }
  bool busy() const { return writing_; }

  int64_t on_disk() const { return on_disk_; }
  // The store is to be told on_disk().
  bool has_news() const { return on_disk_ > told_; }
  void told(int64_t age) { told_ = age; }

 private:
  port::FileRef file_;
  port::Completion written_;
  Duration interval_;
  Instant next_;  // at once
  bool writing_ = false;
  bool is_refused_ = false;  // the last one, and that was said
  int64_t on_disk_ = 0;
  int64_t told_ = 0;
};

}  // namespace magpie::control
