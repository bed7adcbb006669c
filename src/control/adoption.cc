#include "control/adoption.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "control/deleted_topic.h"
#include "control/exposure.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/state.h"
#include "control/value_json.h"
#include "control/values.h"

namespace magpie::control {
namespace {

Result<State> state_of(const Values& values, const char* whose) {
  std::vector<Change> changes;
  for (const auto& [key, value] : values) changes.push_back({key, value});
  State state;
  if (auto applied = state.apply(1, changes); !applied) {
    return fail(applied.error().kind, fmt::format("{}: {}", whose, applied.error().message));
  }
  return state;
}

// Goes with the node's lease, so it is nobody's to carry over.
bool is_leased(std::string_view key) {
  return key.starts_with(kAlivePrefix);
}

std::string node_name(NodeId node) {
  return fmt::format("node {}", node.value);
}

// Judges the failover groups of the newest copy one by one.
class Judge {
 public:
  Judge(const State& newest, const State& stored, const std::vector<CopyReport>& reports)
      : newest_(newest), stored_(stored) {
    for (const CopyReport& report : reports) reports_.emplace(report.member, &report);
  }

  // The highest epoch that anybody knows of, of any group.
  int64_t highest_epoch() const {
    int64_t highest = 0;
    for (const auto& [member, report] : reports_) {
      for (const auto& [group, epoch] : report->highest) {
        highest = std::max<int64_t>(highest, epoch.value);
      }
    }
    return highest;
  }

  AdoptedGroup judge(const std::string& group) const {
    AdoptedGroup judged{group, Standing::kKept, newest_.leadership(group), ""};
    const Leadership& held = judged.leadership;
    judged.why = doubt(group, held);
    if (!judged.why.empty()) {
      judged.standing = Standing::kUnknown;
    } else if (!leads(group, held)) {
      judged.standing = Standing::kRenewed;
      judged.why = fmt::format("{} was restarted since it led", node_name(held.leader.node));
    }
    return judged;
  }

  // Who stands for the leader that nobody knows: somebody who may have led unseen.
  NodeId absent_leader(const Leadership& held) const {
    for (const Member& member : held.promotable) {
      if (!reported(member)) return member.node;
    }
    return held.leader.node;
  }

 private:
  bool reported(const Member& member) const { return reports_.contains(member); }
  // It has reported, and knows all that it ever held and accepted.
  bool is_complete(const Member& member) const {
    const auto found = reports_.find(member);
    return found != reports_.end() && found->second->complete;
  }
  bool leads(const std::string& group, const Leadership& held) const {
    const auto& led = reports_.at(held.leader)->leads;
    const auto found = led.find(group);
    return found != led.end() && found->second == held.epoch;
  }

  // Why the group may have been led, or changed, without any copy showing it; empty if not.
  std::string doubt(const std::string& group, const Leadership& held) const {
    if (is_nobody(held.leader)) return "nobody leads it since an adoption before";
    if (!reported(held.leader)) {
      return fmt::format("its leader, {}, has not reported", node_name(held.leader.node));
    }
    if (auto later = later_term(group, held); !later.empty()) return later;
    if (!contains(held.promotable, held.leader)) return "its leader may lack records";
    return leads(group, held) ? doubt_of_running(group, held) : doubt_of_restarted(group);
  }

  std::string later_term(const std::string& group, const Leadership& held) const {
    for (const auto& [member, report] : reports_) {
      const auto found = report->highest.find(group);
      if (found == report->highest.end() || found->second <= held.epoch) continue;
      return fmt::format("{} knows of epoch {}, the newest copy of {}", node_name(member.node),
                         found->second.value, held.epoch.value);
    }
    // In the store that is to be adopted somebody may have led already. An adoption that was
    // interrupted leaves the same leader, or nobody.
    const Leadership& other = stored_.leadership(group);
    const bool ours = other.leader == held.leader || is_nobody(other.leader);
    if (other.epoch <= held.epoch || ours) return "";
    return fmt::format("{} leads it in the restored store", node_name(other.leader.node));
  }

  // The leader acted on nothing that its copy does not show. Others could take over unseen only if
  // they hold everything, or by a majority of sites.
  std::string doubt_of_running(const std::string& group, const Leadership& held) const {
    Members candidates = held.promotable;
    if (held.joining) candidates = with(candidates, *held.joining);
    for (const Member& member : candidates) {
      if (member == held.leader || is_complete(member)) continue;
      return fmt::format(
          "{}, which could have taken over, has not reported or cannot read all that it holds",
          node_name(member.node));
    }
    if (first_absent(group).empty()) return "";
    const Quorum quorum = acceptance_quorum(newest_, group);
    const size_t heard = static_cast<size_t>(
        std::count_if(quorum.sites.begin(), quorum.sites.end(),
                      [&](const std::string& site) { return site_reported(site); }));
    if (heard + quorum.needed > quorum.sites.size()) return "";
    return fmt::format("only {} of {} other sites have reported", heard, quorum.sites.size());
  }

  // What its copy lacks may be that others became complete, and led.
  std::string doubt_of_restarted(const std::string& group) const {
    const std::string absent = first_absent(group);
    if (absent.empty()) return "";
    return fmt::format(
        "its leader was restarted, and {}, which may have taken over, has not "
        "reported or cannot read all that it holds",
        absent);
  }

  // The first node of the group's regions that has not reported all it holds; empty if all have.
  std::string first_absent(const std::string& group) const {
    const FailoverGroup* policy = newest_.find_group(group);
    std::vector<std::string> regions;
    if (policy != nullptr) regions = regions_of(*policy, newest_.regions());
    for (const auto& [id, node] : newest_.nodes()) {
      const bool hosts = std::find(regions.begin(), regions.end(), node.region) != regions.end();
      if (hosts && !is_complete({id, node.incarnation})) return node_name(id);
    }
    return "";
  }

  bool site_reported(const std::string& site) const {
    return std::all_of(newest_.nodes().begin(), newest_.nodes().end(), [&](const auto& entry) {
      return entry.second.region != site || is_complete({entry.first, entry.second.incarnation});
    });
  }

  const State& newest_;
  const State& stored_;
  std::map<Member, const CopyReport*> reports_;
};

// The same leader, from its beginning: what its sync set was may not be what it was last.
Leadership renewed(const Leadership& held, LeaderEpoch epoch, WallTime now) {
  Leadership next;
  next.epoch = epoch;
  next.leader = held.leader;
  next.promotable = {held.leader};
  next.open_before = held.open ? std::optional(held.leader) : held.open_before;
  next.state_since = held.state == next.state ? held.state_since : now;
  next.exposed_since = held.exposed_since.value_or(now);
  next.opened_with = held.open ? OpenedWith::kLossless : held.opened_with;
  next.failed_over = held.failed_over;
  return next;
}

// Led by a directory that does not exist: nobody can go on, and nobody holds everything.
Leadership nobody(const Leadership& held, NodeId node, LeaderEpoch epoch, WallTime now) {
  Leadership next = renewed(held, epoch, now);
  next.leader = {node, kNobodysIncarnation};
  next.promotable = {next.leader};
  next.open_before.reset();
  next.opened_with = OpenedWith::kLossy;
  next.failed_over = true;
  return next;
}

void raise(std::vector<Offset>& offsets, const std::vector<Offset>& others) {
  offsets.resize(std::max(offsets.size(), others.size()));
  for (size_t i = 0; i < others.size(); ++i) offsets[i] = std::max(offsets[i], others[i]);
}

class Builder {
 public:
  Builder(const AdoptionInput& input, const State& newest, const State& stored)
      : input_(input),
        newest_(newest),
        stored_(stored),
        judge_(newest, stored, input.reports),
        deleted_(deleted_topics(newest)),
        target_(input.copy) {}

  Result<Adoption> build() {
    std::erase_if(target_, [](const auto& entry) { return is_leased(entry.first); });
    keep_marks();
    raise_ceilings();
    if (auto judged = judge_groups(); !judged) return fail(judged.error());
    raise_producer_ids();
    adoption_.mark = {adopted_key(input_.from), encode_adopted({input_.revision, input_.now})};
    compare();
    Values checked = target_;
    checked[adoption_.mark.key] = *adoption_.mark.value;
    if (auto state = state_of(checked, "the adopted state"); !state) return fail(state.error());
    return std::move(adoption_);
  }

 private:
  // Nodes that come back with a copy of an even older store.
  void keep_marks() {
    for (const auto& [key, value] : input_.store) {
      if (key.starts_with(kAdoptedPrefix)) target_.try_emplace(key, value);
    }
  }

  void raise_ceilings() {
    for (const auto& [name, policy] : newest_.groups()) {
      for (const auto& [topic_name, topic] : newest_.topics()) {
        Ceilings ceilings = newest_.ceilings(name, topic.id);
        raise(ceilings.offsets, stored_.ceilings(name, topic.id).offsets);
        raise(ceilings.floors, stored_.ceilings(name, topic.id).floors);
        put_ceilings(name, topic, ceilings);
      }
    }
    for (const auto& [id, deleted] : deleted_) {
      for (const auto& [name, holders] : deleted.holders) raise_ceilings_of(name, deleted, 0);
    }
  }

  // Of deleted topics, too: they can come back.
  void raise_ceilings_of(const std::string& group, const DeletedTopic& deleted, int64_t margin) {
    const Topic& topic = deleted.topic;
    Ceilings ceilings = newest_.ceilings(group, topic.id);
    if (margin > 0) ceilings.offsets.resize(static_cast<size_t>(topic.partition_count()));
    for (Offset& offset : ceilings.offsets) offset.value += margin;
    raise(ceilings.offsets, stored_.ceilings(group, topic.id).offsets);
    raise(ceilings.floors, stored_.ceilings(group, topic.id).floors);
    put_ceilings(group, topic, ceilings);
  }

  void put_ceilings(const std::string& group, const Topic& topic, const Ceilings& ceilings) {
    if (ceilings == Ceilings{}) return;
    target_[ceilings_key(group, topic.id)] = encode_ceilings(ceilings);
  }

  Status judge_groups() {
    int64_t next =
        std::max({newest_.next_epoch(), stored_.next_epoch(), judge_.highest_epoch() + 1}) +
        kEpochMargin;
    for (const auto& [name, policy] : newest_.groups()) {
      if (!newest_.leadership(name).exists()) continue;
      AdoptedGroup judged = judge_.judge(name);
      if (judged.standing != Standing::kKept && next < std::numeric_limits<int32_t>::max()) {
        begin_term(judged, LeaderEpoch{static_cast<int32_t>(next++)});
      }
      adoption_.groups.push_back(std::move(judged));
    }
    if (next >= std::numeric_limits<int32_t>::max()) {
      return fail(ErrorKind::kLimit, "the epochs of the cluster are used up");
    }
    target_[std::string(kEpochsKey)] = encode_counter(next);
    return {};
  }

  void begin_term(AdoptedGroup& judged, LeaderEpoch epoch) {
    const Leadership held = judged.leadership;
    if (judged.standing == Standing::kRenewed) {
      judged.leadership = renewed(held, epoch, input_.now);
    } else {
      judged.leadership = nobody(held, judge_.absent_leader(held), epoch, input_.now);
    }
    raise_far(judged.group);
    begin_term_of_deleted(judged, held.leader);
    target_[leadership_key(judged.group)] = encode_leadership(judged.leadership);
    Transaction ended;
    end_exposure(newest_, judged.group, input_.now, ended);
    for (const Change& change : ended.changes) target_[change.key] = *change.value;
  }

  // Whoever led unseen may have given out more offsets than were reserved in any copy; so may a
  // leader that was restarted before the last reservation was in its own.
  void raise_far(const std::string& group) {
    for (const auto& [name, topic] : newest_.topics()) {
      Ceilings ceilings = newest_.ceilings(group, topic.id);
      ceilings.offsets.resize(static_cast<size_t>(topic.partition_count()));
      bool any = false;
      for (int32_t i = 0; i < topic.partition_count(); ++i) {
        if (newest_.group_of(topic, PartitionIndex{i}) != group) continue;
        ceilings.offsets[static_cast<size_t>(i)].value += kOffsetMargin;
        any = true;
      }
      // An adoption that is begun again must not raise them once more.
      raise(ceilings.offsets, stored_.ceilings(group, topic.id).offsets);
      raise(ceilings.floors, stored_.ceilings(group, topic.id).floors);
      if (any) put_ceilings(group, topic, ceilings);
    }
  }

  // A topic may have come back, and gone again, unseen: then what its record says of those who hold
  // it is old. The leader that goes on holds everything all the same. Where nobody goes on, what is
  // restored comes under the same statement as the rest of the group.
  void begin_term_of_deleted(const AdoptedGroup& judged, const Member& leader) {
    for (auto& [id, deleted] : deleted_) {
      const auto holders = deleted.holders.find(judged.group);
      if (holders == deleted.holders.end()) continue;
      raise_ceilings_of(judged.group, deleted, kOffsetMargin);
      const bool goes_on =
          judged.standing == Standing::kRenewed && contains(holders->second, leader);
      if (!goes_on) continue;
      holders->second = {leader};
      target_[deleted_topic_key(id)] = encode_deleted_topic(deleted);
    }
  }

  void raise_producer_ids() {
    const int64_t next =
        std::max(newest_.next_producer_id(), stored_.next_producer_id()) + kProducerIdMargin;
    target_[std::string(kProducerIdsKey)] = encode_counter(next);
  }

  // What is counted comes first: an adoption that is begun again must begin above this one.
  void compare() {
    std::vector<Change> later;
    const auto change = [&](const std::string& key, std::optional<std::string> value) {
      const bool counted = key == kEpochsKey || key == kProducerIdsKey;
      (counted ? adoption_.changes : later).push_back({key, std::move(value)});
    };
    for (const auto& [key, value] : target_) {
      const auto held = input_.store.find(key);
      if (held == input_.store.end() || held->second != value) change(key, value);
    }
    for (const auto& [key, value] : input_.store) {
      if (!target_.contains(key) && !is_leased(key)) change(key, std::nullopt);
    }
    adoption_.changes.insert(adoption_.changes.end(), later.begin(), later.end());
  }

  const AdoptionInput& input_;
  const State& newest_;
  const State& stored_;
  Judge judge_;
  std::map<Uuid, DeletedTopic> deleted_;  // as the newest copy has them
  Values target_;
  Adoption adoption_;
};

}  // namespace

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::kKept:
      return "kept";
    case Standing::kRenewed:
      return "renewed";
    case Standing::kUnknown:
      return "unknown";
  }
  return "";
}

std::string encode_adopted(const Adopted& adopted) {
  return dump_value({{"revision", adopted.revision}, {"at", adopted.at.millis}});
}

Result<Adopted> decode_adopted(std::string_view key, std::string_view value) {
  const auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  const auto revision = integer_field(*json, "revision", 0, INT64_MAX);
  const auto at = integer_field(*json, "at", INT64_MIN, INT64_MAX);
  if (!revision || !at) return malformed(key, "fields 'revision' and 'at' must be numbers");
  return Adopted{*revision, WallTime{*at}};
}

Result<Adoption> decide_adoption(const AdoptionInput& input) {
  const auto newest = state_of(input.copy, "the newest copy");
  if (!newest) return fail(newest.error());
  const auto stored = state_of(input.store, "the store");
  if (!stored) return fail(stored.error());
  return Builder(input, *newest, *stored).build();
}

Result<std::vector<NodeId>> missing_nodes(const Values& copy,
                                          const std::vector<CopyReport>& reports) {
  const auto newest = state_of(copy, "the newest copy");
  if (!newest) return fail(newest.error());
  std::set<Member> reported;
  for (const CopyReport& report : reports) reported.insert(report.member);
  std::vector<NodeId> missing;
  for (const auto& [id, node] : newest->nodes()) {
    if (!reported.contains({id, node.incarnation})) missing.push_back(id);
  }
  return missing;
}

Result<std::vector<NodeId>> strangers(const Values& copy, const Values& store) {
  const auto newest = state_of(copy, "the newest copy");
  if (!newest) return fail(newest.error());
  const auto stored = state_of(store, "the store");
  if (!stored) return fail(stored.error());
  std::vector<NodeId> found;
  for (const auto& [key, value] : store) {
    const auto text = without_prefix(key, kAlivePrefix);
    const auto id = text ? node_in_key(*text) : std::nullopt;
    if (!id) continue;
    const Node* known = newest->find_node(*id);
    if (known == nullptr || stored->alive(*id) != known->incarnation) found.push_back(*id);
  }
  return found;
}

std::optional<OfferedCopy> newest_copy(const std::vector<OfferedCopy>& offered) {
  const auto covers = [](const OfferedCopy& one, const OfferedCopy& other) {
    if (one.store_id == other.store_id) return one.revision >= other.revision;
    const std::string key = adopted_key(other.store_id);
    const auto mark = one.values->find(key);
    if (mark == one.values->end()) return false;
    const auto adopted = decode_adopted(key, mark->second);
    return adopted && adopted->revision >= other.revision;
  };
  for (const OfferedCopy& one : offered) {
    if (std::all_of(offered.begin(), offered.end(),
                    [&](const OfferedCopy& other) { return covers(one, other); })) {
      return one;
    }
  }
  return std::nullopt;
}

}  // namespace magpie::control
