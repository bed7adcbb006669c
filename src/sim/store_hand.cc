// The administrator's direct line to the simulated store.
#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "sim/sim_store.h"
#include "store/codec.h"
#include "store/key_range.h"

namespace magpie::sim {
namespace {

std::string state_prefix(const std::string& cluster_id) {
  return "magpie/" + cluster_id + "/state/";
}

// The changes of one revision.
using Step = std::pair<const store::Revision, std::vector<control::Change>>;

// Brings the state to `revision`, in which these are all keys, in their order and without `prefix`,
// by what is different: few keys change at a time, and to understand all of them anew took a fifth
// of a run. False if the way there cannot be told from its end.
bool catch_up(control::State& state, store::Revision revision, size_t prefix,
              const std::vector<store::KeyValue>& kvs) {
  std::map<store::Revision, std::vector<control::Change>> steps;
  auto held = state.entries().begin();
  const auto end = state.entries().end();
  steps[revision];
  for (const store::KeyValue& kv : kvs) {
    const std::string_view key = std::string_view(kv.key).substr(prefix);
    for (; held != end && held->first < key; ++held) {
      steps[revision].push_back({held->first, std::nullopt});
    }
    const bool known = held != end && held->first == key;
    if (!known || held->second.modified != kv.mod_revision) {
      steps[kv.mod_revision].push_back({std::string(key), kv.value});
    }
    if (known) ++held;
  }
  for (; held != end; ++held) steps[revision].push_back({held->first, std::nullopt});
  return std::all_of(steps.begin(), steps.end(), [&](const Step& step) {
    return state.apply(step.first, step.second).has_value();
  });
}

}  // namespace

const control::State& SimStore::state(const std::string& cluster_id) const {
  const store::Revision revision = service_->store().revision();
  if (read_ && read_->cluster_id == cluster_id && read_->revision == revision) return read_->state;
  const std::string prefix = state_prefix(cluster_id);
  const auto found = service_->store().range({prefix, store::prefix_end(prefix)});
  CHECK(found.has_value());
  const bool goes_on = read_ && read_->cluster_id == cluster_id && read_->revision < revision;
  if (goes_on && catch_up(read_->state, revision, prefix.size(), found->kvs)) {
    read_->revision = revision;
    return read_->state;
  }
  read_ = Read{cluster_id, revision, {}};
  control::State::Entries entries;
  for (const store::KeyValue& kv : found->kvs) {
    entries[kv.key.substr(prefix.size())] = {kv.value, kv.mod_revision};
  }
  const auto replaced = read_->state.replace(found->header.revision, entries);
  if (!replaced) scene_.violate("metadata", "the store's state: " + replaced.error().message);
  return read_->state;
}

std::optional<control::Refusal> SimStore::commit(const std::string& cluster_id,
                                                 const Decide& decide) {
  const auto decided = decide(state(cluster_id));
  if (!decided) return decided.error();
  const std::string prefix = state_prefix(cluster_id);
  store::TxnRequest request;
  for (const control::Change& change : decided->changes) {
    if (change.value) {
      request.success.push_back(store::PutRequest{prefix + change.key, *change.value, 0});
    } else {
      request.success.push_back(store::DeleteRangeRequest{prefix + change.key, ""});
    }
  }
  if (request.success.empty()) return std::nullopt;
  // Nothing comes in between: what was compared still holds.
  const store::Request body = request;
  service_->step(now(),
                 port::HttpRequestReceived{ExchangeId{next_exchange_++}, "POST",
                                           store::path_of(body), store::encode(body)},
                 effects_);
  carry_out();
  return std::nullopt;
}

}  // namespace magpie::sim
