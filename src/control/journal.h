// The node's durable copy of the cluster state.
//
// Each committed transaction is one record, appended and synced; when records that were overtaken
// make up most of the file, or a write failed and nobody knows what the file holds, the next write
// replaces the whole file instead, atomically. Either way one disk effect carries one transaction,
// and until it has completed the transaction is not part of the state.
//
// A transaction whose write failed may still be found after a crash, if the device stored it all
// the same: its outcome is unknown to the client, as with any request that ends in an error.
//
// The journal does not hold the state, order transactions or retry; controller.h does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/change.h"
#include "control/journal_format.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"
#include "port/file.h"

namespace magpie::control {

// One committed transaction.
struct JournalRecord {
  Revision revision = 0;
  std::vector<Change> changes;
};

class Journal {
 public:
  // `then` comes back in every completion.
  Journal(port::FileRef file, std::string cluster_id, port::Completion then);

  // Goes on after the records that were recovered.
  void adopt(const RecoveredJournal& recovered);

  // Makes the transaction durable that leads from `state` to `revision`.
  // REQUIRES: !busy(), and revision is above state.revision().
  void append(const State& state, Revision revision, const std::vector<Change>& changes,
              port::Effects& effects);

  // Keeps a copy of what a control store has committed. One record at a time: of several in one
  // write, power loss can leave a later one and take an earlier one, which is damage.
  // REQUIRES: !busy() and !wants_rewrite().
  void append_copy(const JournalRecord& record, port::Effects& effects);
  // The next write has to be of the whole journal.
  bool wants_rewrite() const;
  // Whose copy it is; written with the next rewrite().
  void set_store(uint64_t store_id) { store_id_ = store_id; }

  // Writes the whole journal anew: to create it, or to learn whether the disk works again.
  // REQUIRES: !busy().
  void rewrite(const State& state, port::Effects& effects);

  // The write under way finished. On error the transaction must not be applied.
  Status finish(const port::DiskDone& done);

  bool busy() const { return busy_; }
  uint64_t size_bytes() const { return size_; }

 private:
  void replace(BufferChain bytes, port::Effects& effects);

  port::FileRef file_;
  std::string cluster_id_;
  port::Completion then_;
  uint64_t store_id_ = 0;
  uint64_t size_ = 0;             // durable bytes
  uint64_t size_when_whole_ = 0;  // size after the latest rewrite
  bool content_known_ = false;    // the file holds exactly the `size_` bytes written by us

  bool busy_ = false;
  uint64_t size_after_ = 0;  // `size_` if the write under way succeeds
  bool replacing_ = false;   // the write under way replaces the file
};

}  // namespace magpie::control
