// What the members of one consumer group were told, and whether all of it can be true at once (G9).
//
// A committed position that was confirmed is what the group finds later, until a later commit; a
// commit whose answer was lost may have been carried out or not. No position lies behind records
// that no member has processed, and no member of an old generation can commit. Where the log's end
// was lost, a position in it may be taken back to what is left, and not further.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/ledger.h"
#include "sim/scene.h"

namespace magpie::sim {

class GroupLedger {
 public:
  GroupLedger(Scene& scene, std::string name) : scene_(scene), name_(std::move(name)) {}

  void add_partition(int32_t partition, Ledger& ledger);

  // A member was told that it belongs to `generation` and the group is stable.
  void stable_in(int32_t generation);
  int32_t generation() const { return generation_; }

  // Returns a number for commit_settled. `generation` is the member's.
  size_t commit_sent(int32_t partition, int64_t position, int32_t generation);
  enum class Outcome { kAcknowledged, kRefused, kUnknown };
  void commit_settled(int32_t partition, size_t commit, Outcome outcome);

  // The group's position according to an answer to a question that left at `asked`; -1 for none.
  void found(int32_t partition, int64_t position, Instant asked);

  // A member handled the records [from, to) of the log.
  void processed(int32_t partition, int64_t from, int64_t to);

  // Power was lost and the fsync policy lets unsynced records go.
  void power_lost() { positions_lost(); }
  // Commits that were confirmed so far may be forgotten, and generations with them.
  void positions_lost();

  // Whether that has happened.
  bool may_forget() const { return lost_at_ != Instant{}; }

  // Whether a group was set back beyond what was lost; before more is lost, and in the end.
  void check_clamped();

  // Everything that consumers may see was processed.
  bool is_done() const;
  std::string describe() const;
  const std::string& name() const { return name_; }

 private:
  struct Commit {
    int64_t position = -1;
    int32_t generation = 0;  // of the member
    int32_t known = 0;       // newest stable generation when it was sent
    Instant sent;
    Instant settled = Instant::never();
    Outcome outcome = Outcome::kUnknown;
  };
  // A position that was found below the one committed, because the log's end was lost.
  struct Clamped {
    int64_t position = 0;
    int64_t committed = 0;
    Instant asked;
  };
  struct Partition {
    Ledger* ledger = nullptr;
    std::vector<Commit> commits;
    std::vector<Clamped> clamped;
    int64_t processed_to = 0;
    // Positions asked for from then on are judged. A power loss with weak fsync may take commits
    // along; then the next one that is sent and confirmed is the first that is sure again.
    Instant sure_from;
  };

  static bool replaces(const Commit& later, const Commit& earlier, Instant asked);
  // Whether the commit is what somebody may find who asked then.
  static bool may_stand(const Partition& there, const Commit& commit, Instant asked);
  void check_clamped(const Partition& there);
  static bool is_clamped(Partition& there, int64_t position, Instant asked);

  Scene& scene_;
  std::string name_;
  std::map<int32_t, Partition> partitions_;
  int32_t generation_ = -1;
  Instant lost_at_;  // positions, the last time
};

}  // namespace magpie::sim
