// What the members of one consumer group were told, and whether all of it can be true at once (G9).
//
// A committed position that was confirmed is what the group finds later, until a later commit; a
// commit whose answer was lost may have been carried out or not. No position lies behind records
// that no member has processed, and no member of an old generation can commit.
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
  void power_lost();

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
  struct Partition {
    Ledger* ledger = nullptr;
    std::vector<Commit> commits;
    int64_t processed_to = 0;
    // Positions asked for from then on are judged. A power loss with weak fsync may take commits
    // along; then the next one that is confirmed is the first that is sure again.
    Instant sure_from;
  };

  static bool replaces(const Commit& later, const Commit& earlier, Instant asked);

  Scene& scene_;
  std::string name_;
  std::map<int32_t, Partition> partitions_;
  int32_t generation_ = -1;
};

}  // namespace magpie::sim
