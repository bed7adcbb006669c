// Steps of several groups of one operation, taken in one transaction.
//
// The problem: all groups of an operation stand in one record, so their steps exclude each other,
// and one after the other they cost a round trip to the control store each; a group at the end of a
// long list would stand still for that long. The idea: what several groups want to do at the same
// time is decided in order, each step on the state as the ones before it would leave it, and
// committed as one transaction.
//
// Guarantees: what is committed is what the steps would have committed one after the other with
// nothing in between; a step that is refused is left out and does not hold up the others; every
// step hears what became of it.
//
// What it does not do: it decides nothing itself, and does not commit.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "control/refusal.h"
#include "control/state.h"
#include "failover/operations.h"

namespace magpie::failover {

// etcd's transaction compares and changes up to 128 keys, and holds a megabyte; a step makes about
// four changes, compares as many keys and more where every leader is another one, and a certificate
// may be long.
inline constexpr size_t kBatchSteps = 24;
inline constexpr size_t kBatchKeys = 128;
inline constexpr size_t kBatchBytes = 256 * 1024;

class StepBatch {
 public:
  // REQUIRES: at least one step.
  explicit StepBatch(std::vector<Proposal> steps) : steps_(std::move(steps)) {}

  // May be called again; what counts is the last time. Refused only if every step is.
  tl::expected<control::Transaction, control::Refusal> decide(const control::State& state);

  // What became of each step when the transaction was committed or refused. A step for which there
  // was no room counts as settled: whoever looks sees that it was not taken.
  std::vector<ProposalSettled> settled(const std::optional<control::Refusal>& refusal) const;

 private:
  std::vector<Proposal> steps_;
  std::vector<std::optional<control::Refusal>> refusals_;  // by step, of the last decision
};

}  // namespace magpie::failover
