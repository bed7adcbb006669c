// What a control store must hold before nodes may use it that knew another one (`magpie store
// adopt`).
//
// The problem: a store that was lost comes back from a backup, and with it older leaders, older
// sync sets and counters that were counted further since. Used as it is, it would lose records that
// were acknowledged, and give out epochs and offsets twice. The idea: every node keeps a copy of
// what it saw; the copies of one store are beginnings of one history, so the newest of them holds
// all that anybody acted upon who reports. That state is written into the store, above everything
// that anybody may have seen, and last a mark that lets nodes in whose copies it covers.
//
// Guarantees:
// - The store ends up with the newest copy, except: counters and epochs are higher than in the
// copy,
//   the store and every report, and so are the ceilings of groups whose term is not kept; what
//   stands under leases stays as it is. Deleted topics that can be restored are among it.
// - A group's term is kept only if nobody can have led the group, or been let out of its sync set,
//   without it being seen. Otherwise its next leader is either the old one, which holds everything,
//   in a new epoch; or nobody, until a failover with loss, whose statement is then `unknown`.
//
// What it does not do: it asks nobody and writes nothing (server/command_store_adopt.cc does). It
// cannot know of a node that is registered in no copy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/change.h"
#include "control/leadership.h"
#include "control/member.h"

namespace magpie::control {

// How far counters are raised above all that is known: more than can have been used unseen.
inline constexpr int64_t kEpochMargin = 1'000'000;
inline constexpr int64_t kProducerIdMargin = 1'000'000'000'000;
inline constexpr int64_t kOffsetMargin = 500'000'000;

// The incarnation of a leader that is nobody: all ones, which no random id is. No directory has it,
// so no node goes on with the term, holds the leader's lease, or can be promoted without loss.
inline constexpr Uuid kNobodysIncarnation = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
inline bool is_nobody(const Member& leader) {
  return leader.incarnation == kNobodysIncarnation;
}

// The mark: nodes with a copy of that store up to `revision` may use this one.
struct Adopted {
  Revision revision = 0;
  WallTime at;

  bool operator==(const Adopted&) const = default;
};
std::string encode_adopted(const Adopted& adopted);
Result<Adopted> decode_adopted(std::string_view key, std::string_view value);

using Values = std::map<std::string, std::string, std::less<>>;

// What one node says of its copy and of itself.
struct CopyReport {
  Member member;
  uint64_t store_id = 0;  // whose copy it is
  Revision revision = 0;
  // Its votes and all its logs could be read, so that `highest` is all there is.
  bool complete = false;
  // Per failover group: the highest epoch that it has accepted or that its logs hold.
  std::map<std::string, LeaderEpoch> highest;
  // Groups that it leads, in which epoch. Since it began to it was not restarted, so its copy holds
  // every change that it acted upon.
  std::map<std::string, LeaderEpoch> leads;
};

struct AdoptionInput {
  uint64_t from = 0;      // the store of the newest copy
  Revision revision = 0;  // that copy's
  Values copy;            // its keys
  Values store;           // the keys of the store that is to be adopted
  std::vector<CopyReport> reports;
  WallTime now;
};

enum class Standing {
  kKept,     // the term goes on
  kRenewed,  // the leader, which was restarted, leads on in a new epoch; nothing is lost
  kUnknown,  // nobody leads; a failover with loss must say who does
};
const char* to_string(Standing standing);

struct AdoptedGroup {
  std::string group;
  Standing standing = Standing::kKept;
  Leadership leadership;
  std::string why;  // it is not kept
};

struct Adoption {
  // In this order, in as many transactions as it takes; then the mark. If it ends in between,
  // everything is done again from the start.
  std::vector<Change> changes;
  Change mark;
  std::vector<AdoptedGroup> groups;  // those that were ever led
};

// Error: a value that this version cannot read, or epochs are used up.
Result<Adoption> decide_adoption(const AdoptionInput& input);

// Nodes that the copy knows and that have not reported with the directory that it knows.
Result<std::vector<NodeId>> missing_nodes(const Values& copy,
                                          const std::vector<CopyReport>& reports);

// Nodes that hold a lease in the store although no copy knows them with that directory: they began
// without a copy and work with the store already.
Result<std::vector<NodeId>> strangers(const Values& copy, const Values& store);

// The newest of several stores' copies: the one whose state says that the others were adopted into
// it. Nothing if there is none.
struct OfferedCopy {
  uint64_t store_id = 0;
  Revision revision = 0;
  const Values* values = nullptr;
};
std::optional<OfferedCopy> newest_copy(const std::vector<OfferedCopy>& offered);

}  // namespace magpie::control
