// Taking a region out of the cluster while it runs, and taking it in again.
//
// The problem: acknowledgements, elections and placement rest on a region's nodes; whoever takes
// them away at once stops writes, or counts a copy that is gone. The idea is that of every change
// of policy (DESIGN section 7): first nobody new relies on the region, then nobody does, then it
// goes.
//
//   1. `leaving`: the leaders exchange its nodes for others in their sync sets, one transaction
//      each, while the nodes still follow and answer.
//   2. When no leadership names one of its nodes any more, one transaction deletes the region and
//      its nodes, takes it out of the policies that name it, and notes that it was removed.
//   3. Placement, links and votes follow from the state: its nodes have no part in anything.
//
// Each call takes the step that can be taken; whoever asks again goes on, so it does not matter who
// asks. What its disks hold stays there: which partitions exist on them stays in the state too, so
// that a region that is taken in again is compared with the leaders, and not created anew.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/refusal.h"
#include "control/region.h"
#include "control/state.h"

namespace magpie::control {

// So long nothing else changes after a region came or went; `lease` is how long a node's lasts. A
// leader that is cut off goes on with the promises of most of the sites that it knows of; with one
// change between, they meet those whose acceptances would end its term, and with two they need not.
// A leader that holds its lease after such a time has heard of the first one.
Duration region_change_pause(Duration lease);

// Keys of the cluster's state: leaving_regions/<name>, removed_regions/<name>, and which region
// came or went last. Every change of the set of regions changes that last one.
inline constexpr std::string_view kLeavingRegionPrefix = "leaving_regions/";
inline constexpr std::string_view kRemovedRegionPrefix = "removed_regions/";
inline constexpr std::string_view kRegionChangeKey = "region_change";

// True if the region is being removed: copies in it are still made, but nobody is to rely on them
// anew.
bool is_leaving(const State& state, std::string_view region);
// True if a region of this name was removed, and not taken in again.
bool is_removed(const State& state, std::string_view region);

// What is left in the state of a region that was removed.
struct RemovedRegion {
  RegionRole role = RegionRole::kData;
  WallTime at;

  bool operator==(const RemovedRegion&) const = default;
};
std::string encode_removed_region(const RemovedRegion& removed);
// Nothing if it is malformed, or of a newer version.
std::optional<RemovedRegion> decode_removed_region(std::string_view value);
// By name.
std::map<std::string, std::optional<RemovedRegion>> removed_regions(const State& state);

struct RegionChange {
  std::string region;
  WallTime at;
  bool is_new = false;  // a region that registered, not one that was removed or readmitted

  bool operator==(const RegionChange&) const = default;
};
std::string encode_region_change(const RegionChange& change);
// Nothing if it is malformed, or of a newer version.
std::optional<RegionChange> decode_region_change(std::string_view value);

// Of a region that registers: notes that the set of regions changes, or says why it may not yet.
std::optional<Refusal> add_new_region(const State& state, const std::string& region, WallTime now,
                                      Duration lease, Transaction& transaction);
// Groups are not made, and name no region anew, while it goes: the removal looks at those there
// are.
std::optional<Refusal> check_no_region_leaves(const State& state,
                                              const std::vector<std::string>& regions,
                                              Transaction& transaction);

struct RegionRemoval {
  std::string region;
  bool removed = false;                   // by this very transaction, or it has nothing left to do
  std::vector<std::string> waits_for;     // what still rests on it
  std::vector<std::string> consequences;  // what is different without it
};

// The next step. Refused with kInvalidRequest if there is no such region, with kPolicyViolation
// and what to do about it: while it leads a group or an operation moves one there, while a group is
// led by nobody who lives (then it may hold the only copy), if a group's policy could not hold
// without it, if it is the last one with records, while another one leaves or has just come or
// gone.
Decided<RegionRemoval> decide_remove_region(const State& state, std::string_view region,
                                            WallTime now, Duration lease);

struct RegionReadmitted {
  std::string region;
};
// Undoes a removal, also one that is under way. Its nodes register again by themselves, if they
// were not away for too long (absent_nodes.h); policies that named it do not name it again. Refused
// with kInvalidRequest if it was not removed; with kPolicyViolation, unless it was the last one to
// change, while another one has just come or gone, or a group is led by nobody who lives.
Decided<RegionReadmitted> decide_readmit_region(const State& state, std::string_view region,
                                                WallTime now, Duration lease);

}  // namespace magpie::control
