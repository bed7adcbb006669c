#include "failover/step_batch.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace magpie::failover {
namespace {

using control::Change;
using control::Compare;
using control::Refusal;
using control::State;
using control::Transaction;

size_t bytes_of(const Transaction& transaction) {
  size_t bytes = 0;
  for (const Change& change : transaction.changes) {
    bytes += change.key.size() + (change.value ? change.value->size() : 0);
  }
  return bytes;
}

// What comes of several transactions, each of which saw what the ones before it had changed.
class Sum {
 public:
  void add(Transaction&& part) {
    // A key that was changed before is compared as it was before that.
    for (Compare& compare : part.compares) {
      const bool known = std::any_of(whole_.compares.begin(), whole_.compares.end(),
                                     [&](const Compare& each) { return each.key == compare.key; });
      if (!known && !changed_.contains(compare.key)) whole_.compares.push_back(std::move(compare));
    }
    for (Change& change : part.changes) {
      if (changed_.insert(change.key).second) {
        whole_.changes.push_back(std::move(change));
        continue;
      }
      const auto earlier = std::find_if(whole_.changes.begin(), whole_.changes.end(),
                                        [&](const Change& each) { return each.key == change.key; });
      earlier->value = std::move(change.value);
    }
  }
  // Whether `part` may be added; the keys that both have are counted twice.
  bool has_room(const Transaction& part) const {
    return bytes_of(whole_) + bytes_of(part) <= kBatchBytes &&
           whole_.compares.size() + part.compares.size() <= kBatchKeys &&
           whole_.changes.size() + part.changes.size() <= kBatchKeys;
  }
  Transaction take() { return std::move(whole_); }

 private:
  Transaction whole_;
  std::set<std::string> changed_;
};

}  // namespace

tl::expected<Transaction, Refusal> StepBatch::decide(const State& state) {
  refusals_.assign(steps_.size(), std::nullopt);
  if (steps_.size() == 1) return steps_.front().decide(state);
  State seen = state;
  Sum sum;
  size_t refused = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    auto decided = steps_[i].decide(seen);
    if (!decided) {
      refusals_[i] = std::move(decided.error());
      ++refused;
      continue;
    }
    if (decided->empty()) continue;
    if (i > 0 && !sum.has_room(*decided)) break;
    const auto applied = seen.apply(seen.revision() + 1, decided->changes);
    if (!applied) {
      refusals_[i] = Refusal{control::RefusalCode::kInvalidRequest, applied.error().message};
      ++refused;
      continue;
    }
    sum.add(std::move(*decided));
  }
  if (refused == steps_.size()) return tl::unexpected<Refusal>(*refusals_.front());
  return sum.take();
}

std::vector<ProposalSettled> StepBatch::settled(const std::optional<Refusal>& refusal) const {
  std::vector<ProposalSettled> settled;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool own = i < refusals_.size() && refusals_[i].has_value();
    settled.push_back({steps_[i].ticket, own ? refusals_[i] : refusal});
  }
  return settled;
}

}  // namespace magpie::failover
