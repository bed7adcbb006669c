// The administrator's direct line to the simulated store.
#include <utility>

#include "base/check.h"
#include "sim/sim_store.h"
#include "store/codec.h"
#include "store/key_range.h"

namespace magpie::sim {
namespace {

std::string state_prefix(const std::string& cluster_id) {
  return "magpie/" + cluster_id + "/state/";
}

}  // namespace

const control::State& SimStore::state(const std::string& cluster_id) const {
  const store::Revision revision = service_->store().revision();
  if (read_ && read_->cluster_id == cluster_id && read_->revision == revision) return read_->state;
  read_ = Read{cluster_id, revision, {}};
  const std::string prefix = state_prefix(cluster_id);
  const auto found = service_->store().range({prefix, store::prefix_end(prefix)});
  CHECK(found.has_value());
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
