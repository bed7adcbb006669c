#include "sim/promotable_watch.h"

#include <fmt/format.h>

#include <vector>

namespace magpie::sim {

bool PromotableWatch::is_there(const control::State& state, const control::Member& member) const {
  const control::Node* node = state.find_node(member.node);
  return node != nullptr && node->incarnation == member.incarnation &&
         !is_lost_(member.incarnation);
}

void PromotableWatch::lacks(const control::Member& member, const std::string& partition,
                            int64_t offset, const control::Leadership& term, const char* when) {
  scene_.violate("G1", fmt::format("{}: node {} may take over from epoch {} without loss and lacks "
                                   "offset {}, which {}",
                                   partition, member.node.value, term.epoch.value, offset, when));
}

void PromotableWatch::acknowledged(const std::string& topic, int32_t partition,
                                   const Ledger::Kept& record, const control::Leadership& term) {
  const auto [offset, crc] = record;
  if (!topics_.ledger(topic, partition).must_be_kept(offset)) return;
  const control::State& state = cluster_.state();
  const std::string name = fmt::format("{}-{}", topic, partition);
  for (const control::Member& member : term.promotable) {
    if (!is_there(state, member) || logs_.holds(member.node, name, offset, crc)) continue;
    lacks(member, name, offset, term, "is acknowledged");
  }
}

void PromotableWatch::changed(const std::string& group, const control::Leadership& term) {
  const control::State& state = cluster_.state();
  // The leader, too: one that was promoted and should not have been is in no set.
  const control::Members members = control::with(term.promotable, term.leader);
  for (auto& [key, ledger] : topics_.ledgers()) {
    const control::Topic* topic = state.find_topic(key.first);
    if (topic == nullptr || !LogWatch::watches(key.first)) continue;
    if (state.group_of(*topic, PartitionIndex{key.second}) != group) continue;
    const std::vector<Ledger::Kept> records = ledger->must_be_kept();
    const std::string name = fmt::format("{}-{}", key.first, key.second);
    for (const control::Member& member : members) {
      if (records.empty() || !is_there(state, member)) continue;
      const LogWatch::Spans spans = logs_.spans(member.node, name);
      for (const auto& [offset, crc] : records) {
        if (LogWatch::covers(spans, offset, crc)) continue;
        lacks(member, name, offset, term, "was acknowledged");
        break;
      }
    }
  }
}

}  // namespace magpie::sim
