// How a data directory is opened: what it holds, whose it is, and what its journal says.
//
// An empty directory is begun: first the journal, then the identity, so that a start that was
// interrupted in between left a journal without a single record. Anything else must be complete and
// must belong to this cluster and node; a missing or damaged file is never read as empty (G12), and
// a directory that is refused is left as it was.
//
// A directory with kUnsyncedPath was written by a node whose records were not always synced before
// it said that it holds them, and that node did not stop in order. If the machine has been up ever
// since, the operating system still has what the node wrote; otherwise the node may have said more
// than there is. Then it gets another incarnation, so that nothing that others believe of it counts
// any more; its files stay and are compared with the leader's like any others. What was found after
// the machine was started is on its disk, so the file goes then: one loss makes one incarnation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "control/directory_age.h"
#include "control/identity.h"
#include "control/journal.h"
#include "control/journal_format.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control {

// Where its files are in the data directory.
inline constexpr std::string_view kIdentityPath = "identity";
inline constexpr std::string_view kControlFolder = "control";
inline constexpr std::string_view kJournalPath = "control/journal";
inline constexpr std::string_view kUnsyncedPath = "control/unsynced";

// What kUnsyncedPath holds: this, and a line feed.
struct Unsynced {
  port::FileRef file;  // kUnsyncedPath
  // Which run of the machine this is; empty if nobody can say.
  std::string machine_run;
};

struct DirectoryConfig {
  uint32_t owner = 0;           // routing number of its completions
  port::FileRef identity_file;  // kIdentityPath
  port::FileRef journal_file;   // kJournalPath
  std::string cluster_id;       // see cluster_id_problem()
  NodeId node_id;
  // Folders that hold records. A directory with one of them but without an identity is not new.
  std::vector<std::string> data_folders;
  // None: it is not looked for.
  std::optional<Unsynced> unsynced = std::nullopt;
  port::FileRef age_file = nullptr;  // kDirectoryAgePath; null: it is not looked for
};

struct OpenedDirectory {
  Identity identity;
  State state;
  uint64_t store_id = 0;  // whose copy the state is; 0: no control store's
  bool created = false;   // it was empty before
  int64_t age = 0;        // directory_age.h
};

class DirectoryOpening {
 public:
  // What a completion answers; its `kind`. The journal's own writes have kJournalWritten.
  enum Step : uint32_t {
    kListRoot,
    kListControl,
    kReadIdentity,
    kReadJournal,
    kReadAge,
    kReadUnsynced,
    kWriteIdentity,
    kRemoveUnsynced,
    kJournalWritten,
    kAgeWritten,  // by whoever owns the directory, once it is open
  };

  // All arguments must outlive it.
  DirectoryOpening(const DirectoryConfig& config, Journal& journal, Random& random);

  // May be called again after an error that can pass.
  void begin(port::Effects& effects);

  // Nothing while it goes on. An error is final, except of a disk that is full or fails
  // (is_temporary).
  std::optional<Result<OpenedDirectory>> step(const port::DiskDone& done, port::Effects& effects);

 private:
  using Ended = std::optional<Result<OpenedDirectory>>;

  Ended on_root_listed(const port::DiskDone& done, port::Effects& effects);
  Ended on_control_listed(const port::DiskDone& done, port::Effects& effects);
  Ended on_identity_read(const port::DiskDone& done, port::Effects& effects);
  Ended on_journal_read(const port::DiskDone& done, port::Effects& effects);
  Ended on_age_read(const port::DiskDone& done, port::Effects& effects);
  Ended look_for_unsynced(port::Effects& effects);
  Ended on_unsynced_read(const port::DiskDone& done, port::Effects& effects);
  Ended on_journal_written(const port::DiskDone& done, port::Effects& effects);
  Ended on_identity_written(port::Effects& effects);
  Ended create_identity(port::Effects& effects);
  Ended renew_identity(port::Effects& effects);
  Ended opened();

  port::Completion completion(Step step) const { return {config_.owner, step, 0}; }
  void read(const port::FileRef& file, uint64_t size, Step step, port::Effects& effects);

  const DirectoryConfig& config_;
  Journal& journal_;
  Random& random_;
  std::optional<Identity> identity_;
  RecoveredJournal recovered_;
  bool created_ = false;
  bool renewed_ = false;
  int64_t age_ = 0;
  std::optional<uint64_t> age_size_;
  std::optional<uint64_t> unsynced_size_;
  std::optional<uint64_t> identity_size_;  // of the file found; none if there is none
  std::optional<uint64_t> journal_size_;
};

// Whether trying again can help.
bool is_temporary(ErrorKind kind);

}  // namespace magpie::control
