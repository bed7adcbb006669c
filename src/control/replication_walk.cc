#include "control/replication_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "base/check.h"
#include "control/group_values.h"
#include "control/keys.h"
#include "control/promotion.h"
#include "control/region_values.h"
#include "control/replication.h"
#include "control/values.h"

namespace magpie::control::testing {
namespace {

constexpr int kNodes = 3;
constexpr const char* kGroup = "g";
constexpr int kRecordsMax = 3;

// --- what a history has led to; bytes without padding, so that equal means the same --------------

struct Log {
  uint8_t length;
  uint8_t records[kRecordsMax];

  bool begins_with(const Log& other) const {
    return other.length <= length && std::memcmp(records, other.records, other.length) == 0;
  }
  void cut(uint8_t end) {
    for (uint8_t i = end; i < kRecordsMax; ++i) records[i] = 0;
    length = std::min(length, end);
  }
  uint8_t agreement(const Log& other) const {
    uint8_t at = 0;
    while (at < length && at < other.length && records[at] == other.records[at]) ++at;
    return at;
  }
};

struct Copy {
  Log log;
  uint8_t view;        // number of the leadership it knows
  uint8_t version;     // how often that key had been changed then
  uint8_t next_epoch;  // the counter, as it knows it
  uint8_t accepted;    // follows no leader of an earlier epoch
  uint8_t incarnation;
  // As a leader.
  uint8_t began_with;        // length of its log when its epoch began
  uint8_t position[kNodes];  // of reconciled members, plus 1; 0: not reconciled
  uint8_t pending;           // leadership of a transaction under way, plus 1; 0: none
  uint8_t pending_version;   // what it compares; 255: nothing
  uint8_t pending_done;      // it was carried out
  uint8_t caught_up;         // who is joining was seen to hold all that was acknowledged
};

struct World {
  Copy copies[kNodes];
  uint8_t leadership;
  uint8_t version;
  uint8_t next_epoch;
  uint8_t alive;  // a bit for each node
  uint8_t records;
  uint8_t losses;
  uint8_t lost;  // a bit for each record that was given up
  uint8_t wipes;
  Log acknowledged;
  uint8_t acknowledger[8];  // of each epoch, plus 1
};

std::string_view bytes_of(const World& world) {
  return {reinterpret_cast<const char*>(&world), sizeof(world)};
}

// --- the real decisions
// ---------------------------------------------------------------------------

enum class Kind { kOpen, kShrink, kBeginJoining, kFinishJoining, kRenew, kPromote, kPromoteLossy };

struct Question {
  Kind kind;
  uint8_t leadership;
  uint8_t next_epoch;
  uint8_t alive;
  std::array<uint8_t, kNodes> incarnations;
  uint8_t node;     // who asks, or is to lead
  uint8_t members;  // bits; of kOpen, or the one member meant

  auto operator<=>(const Question&) const = default;
};

struct Answer {
  uint8_t leadership;
  uint8_t next_epoch;
  bool compares_leadership;
  bool compares_epochs;
};

class Decisions {
 public:
  explicit Decisions(Mutation mutation) : mutation_(mutation) {}

  uint8_t number_of(const Leadership& leadership) {
    const std::string text = encode_leadership(leadership);
    const auto [found, added] = numbers_.try_emplace(text, terms_.size());
    if (added) terms_.push_back(leadership);
    CHECK(terms_.size() < 255);
    return static_cast<uint8_t>(found->second);
  }
  const Leadership& term(uint8_t number) const { return terms_[number]; }

  static Member member(int node, uint8_t incarnation) {
    Member member{NodeId{node + 1}, {}};
    member.incarnation.bytes.fill(incarnation);
    return member;
  }

  // Nothing if it is refused, or changes nothing.
  const std::optional<Answer>& ask(const Question& question) {
    const auto found = answers_.find(question);
    if (found != answers_.end()) return found->second;
    return answers_.emplace(question, decide(question)).first->second;
  }

 private:
  static State state_of(const Question& question, const Leadership& term) {
    FailoverGroup group;
    group.name = kGroup;
    group.regions = {"r0", "r1", "r2"};
    std::vector<Change> changes = {{group_key(kGroup), encode_group(group)},
                                   {leadership_key(kGroup), encode_leadership(term)},
                                   {std::string(kEpochsKey), encode_counter(question.next_epoch)}};
    for (int i = 0; i < kNodes; ++i) {
      Node node;
      node.id = NodeId{i + 1};
      node.region = fmt::format("r{}", i);
      node.incarnation = member(i, question.incarnations[static_cast<size_t>(i)]).incarnation;
      changes.push_back({region_key(node.region), encode_region({node.region, RegionRole::kData})});
      changes.push_back({node_key(node.id), encode_node(node)});
      if ((question.alive >> i & 1) != 0) {
        changes.push_back({alive_key(node.id), encode_alive(node.incarnation)});
      }
    }
    State state;
    CHECK(state.apply(1, changes).has_value());
    return state;
  }

  Members members_of(const Question& question) const {
    Members members;
    for (int i = 0; i < kNodes; ++i) {
      if ((question.members >> i & 1) == 0) continue;
      members.push_back(member(i, question.incarnations[static_cast<size_t>(i)]));
    }
    return members;
  }

  Leadership as_mutated(const Question& question) const {
    Leadership term = terms_[question.leadership];
    const Member asking = member(question.node, question.incarnations[question.node]);
    const bool anybody = mutation_ == Mutation::kPromoteAnybody && question.kind == Kind::kPromote;
    if (anybody && !term.open) term.promotable = with(term.promotable, asking);
    if (anybody && term.open && !(term.leader == asking)) {
      term.sync = with(term.sync, asking);
      if (term.joining == asking) term.joining.reset();
      term.promotable = with(term.sync, term.leader);
    }
    return term;
  }

  std::optional<Answer> decide(const Question& question) {
    Question asked = question;
    if (mutation_ == Mutation::kLossWithLease) asked.alive = 0;
    const State state = state_of(asked, as_mutated(asked));
    const Leadership held = state.leadership(kGroup);
    const Member asking = member(asked.node, asked.incarnations[asked.node]);
    const Term term{kGroup, held.epoch, asking};
    const auto decided = carry_out(asked, state, term, asking);
    if (!decided || decided->transaction.empty()) return std::nullopt;
    return change_of(question, state, *decided);
  }

  Decided<Leadership> carry_out(const Question& asked, const State& state, const Term& term,
                                const Member& asking) const {
    switch (asked.kind) {
      case Kind::kOpen:
        return decide_open_epoch(state, term, members_of(asked), {});
      case Kind::kShrink:
        return decide_shrink_sync(state, term, members_of(asked).front(), {});
      case Kind::kBeginJoining:
        return decide_begin_joining(state, term, members_of(asked).front(), {});
      case Kind::kFinishJoining:
        return decide_finish_joining(state, term, {});
      case Kind::kRenew:
        return decide_renew_epoch(state, kGroup, asking, {});
      case Kind::kPromote:
        return decide_promote_without_loss(state, kGroup, asking.node, {});
      case Kind::kPromoteLossy: {
        PromoteWithLoss request{kGroup, asking.node, {}, true};
        const LeaderEpoch next{static_cast<int32_t>(state.next_epoch())};
        for (const auto& site : acceptance_quorum(state, kGroup).sites) {
          request.acceptances.push_back({site, next});
        }
        return decide_promote_with_loss(state, request, {});
      }
    }
    return refuse(RefusalCode::kInvalidRequest, "");
  }

  Answer change_of(const Question& question, const State& state,
                   const Decision<Leadership>& decision) {
    State next = state;
    CHECK(next.apply(2, decision.transaction.changes).has_value());
    Leadership term = next.leadership(kGroup);
    Answer change{0, static_cast<uint8_t>(next.next_epoch()), false, false};
    const bool promotes = question.kind == Kind::kPromote || question.kind == Kind::kPromoteLossy;
    if (promotes && mutation_ == Mutation::kSameEpoch) {
      term.epoch = terms_[question.leadership].epoch;
      change.next_epoch = question.next_epoch;
    }
    for (const Compare& compare : decision.transaction.compares) {
      if (compare.key == leadership_key(kGroup)) change.compares_leadership = true;
      if (compare.key == kEpochsKey) change.compares_epochs = true;
    }
    if (mutation_ == Mutation::kNoCompare) change.compares_leadership = false;
    change.leadership = number_of(term);
    return change;
  }

  Mutation mutation_;
  std::vector<Leadership> terms_;
  std::map<std::string, size_t> numbers_;
  std::map<Question, std::optional<Answer>> answers_;
};

// --- the walk
// -------------------------------------------------------------------------------------

class Walk {
 public:
  Walk(const WalkLimits& limits, Mutation mutation)
      : limits_(limits), mutation_(mutation), decisions_(mutation) {}

  WalkResult run() {
    visit(first(), SIZE_MAX, "begin");
    for (size_t i = 0; i < worlds_.size() && result_.violation.empty(); ++i) {
      if (worlds_.size() > limits_.states_max) {
        result_.complete = false;
        break;
      }
      at_ = i;
      const World world = worlds_[i];
      for (int n = 0; n < kNodes; ++n) explore(world, n);
    }
    result_.states = worlds_.size();
    return result_;
  }

 private:
  World first() {
    World world;
    std::memset(&world, 0, sizeof(world));
    Leadership term;
    term.epoch = LeaderEpoch{1};
    term.leader = Decisions::member(0, 1);
    term.promotable = {term.leader};
    world.leadership = decisions_.number_of(term);
    world.next_epoch = 2;
    world.alive = 7;
    for (Copy& copy : world.copies) {
      copy.view = world.leadership;
      copy.next_epoch = 2;
      copy.accepted = 1;
      copy.incarnation = 1;
    }
    return world;
  }

  // Remembers a world, unless it was seen, and checks what must hold.
  void visit(const World& world, size_t from, const char* step, int a = -1, int b = -1) {
    if (!result_.violation.empty()) return;
    if (!seen_.try_emplace(std::string(bytes_of(world)), worlds_.size()).second) return;
    worlds_.push_back(world);
    steps_.push_back({from, step, a, b});
    const Leadership& term = decisions_.term(world.leadership);
    for (int i = 0; i < kNodes; ++i) {
      const Copy& copy = world.copies[i];
      if (!contains(term.promotable, Decisions::member(i, copy.incarnation))) continue;
      if (copy.log.begins_with(world.acknowledged)) continue;
      return violation(fmt::format("node {} may be promoted but lacks records", i));
    }
  }

  void violation(std::string what) {
    result_.violation.push_back(std::move(what));
    for (size_t i = worlds_.size() - 1; i != SIZE_MAX; i = steps_[i].from) {
      const Step& step = steps_[i];
      result_.violation.push_back(fmt::format("{} {} {}", step.what, step.a, step.b));
    }
    std::reverse(result_.violation.begin(), result_.violation.end());
  }

  static bool leads(const Leadership& term, int node, const Copy& copy) {
    return term.leader == Decisions::member(node, copy.incarnation);
  }

  void explore(const World& world, int n) {
    const Copy& copy = world.copies[n];
    const Leadership& view = decisions_.term(copy.view);
    catch_up(world, n);
    carry_out_pending(world, n);
    change_leadership(world, n);
    lose_lease(world, n);
    if (world.wipes < limits_.wipes) wipe(world, n);
    if (!leads(view, n, copy)) return;
    append(world, n, view);
    acknowledge(world, n, view);
    for (int m = 0; m < kNodes; ++m) {
      if (m != n) pull(world, n, m, view);
    }
    if (copy.pending == 0) change_members(world, n, view);
  }

  void catch_up(const World& world, int n) {
    const Copy& before = world.copies[n];
    if (before.version == world.version && before.pending_done == 0) return;
    World next = world;
    refresh(next, n);
    visit(next, at_, "catches up", n);
  }

  void refresh(World& next, int n) {
    Copy& copy = next.copies[n];
    const LeaderEpoch old = decisions_.term(copy.view).epoch;
    const Leadership& term = decisions_.term(next.leadership);
    const bool same_term = term.epoch == old && copy.view != next.leadership;
    copy.view = next.leadership;
    copy.version = next.version;
    copy.next_epoch = next.next_epoch;
    copy.accepted = std::max(copy.accepted, static_cast<uint8_t>(term.epoch.value));
    if (!term.joining) copy.caught_up = 0;
    if (copy.pending_done != 0) copy.pending = copy.pending_version = copy.pending_done = 0;
    if (same_term || term.epoch == old) return;
    copy.began_with = copy.log.length;
    std::memset(copy.position, 0, sizeof(copy.position));
  }

  void append(const World& world, int n, const Leadership& view) {
    if (world.records == limits_.records) return;
    World next = world;
    Log& log = next.copies[n].log;
    if (log.length == kRecordsMax) return;
    log.records[log.length++] = static_cast<uint8_t>(view.epoch.value * 16 + ++next.records);
    visit(next, at_, "appends", n);
  }

  void pull(const World& world, int leader, int m, const Leadership& view) {
    const auto epoch = static_cast<uint8_t>(view.epoch.value);
    if (world.copies[m].accepted > epoch && mutation_ != Mutation::kNoFence) return;
    World next = world;
    Copy& copy = next.copies[m];
    const Log& source = world.copies[leader].log;
    copy.accepted = std::max(copy.accepted, epoch);
    const uint8_t agreement = source.agreement(copy.log);
    if (agreement < copy.log.length) {
      copy.log.cut(agreement);
    } else if (next.copies[leader].position[m] != 0 && agreement < source.length) {
      copy.log.records[copy.log.length++] = source.records[agreement];
    }
    next.copies[leader].position[m] = static_cast<uint8_t>(copy.log.length + 1);
    visit(next, at_, "sends to", leader, m);
  }

  void acknowledge(const World& world, int n, const Leadership& view) {
    const Copy& copy = world.copies[n];
    if (!view.open && mutation_ != Mutation::kAckBeforeOpen) return;
    if ((world.alive >> n & 1) == 0) return;
    Members needed = view.sync;
    if (view.joining && mutation_ != Mutation::kAckWithoutJoining) {
      needed = with(needed, *view.joining);
    }
    if (copy.pending != 0) {
      const Leadership& pending = decisions_.term(static_cast<uint8_t>(copy.pending - 1));
      if (mutation_ == Mutation::kAckBeforeShrink) needed.clear();
      for (const Member& member : pending.sync) needed = with(needed, member);
    }
    uint8_t end = copy.log.length;
    for (const Member& member : needed) {
      const uint8_t position = copy.position[member.node.value - 1];
      end = std::min(end, static_cast<uint8_t>(position == 0 ? 0 : position - 1));
    }
    World next = world;
    Log agreed = copy.log;
    for (uint8_t i = 0; i < end; ++i) {
      if ((world.lost >> (agreed.records[i] % 16) & 1) != 0) end = i;
    }
    agreed.cut(end);
    const auto epoch = static_cast<size_t>(view.epoch.value);
    const auto who = static_cast<uint8_t>(n + 1);
    if (end == 0 || world.acknowledged.begins_with(agreed)) return;
    if (!agreed.begins_with(world.acknowledged)) return violation("acknowledged logs differ");
    if (world.acknowledger[epoch] != 0 && world.acknowledger[epoch] != who) {
      return violation("two nodes acknowledge in one epoch");
    }
    next.acknowledger[epoch] = who;
    next.acknowledged = agreed;
    visit(next, at_, "acknowledges", n);
  }

  Question question(const World& world, Kind kind, int n, uint8_t members) const {
    const Copy& copy = world.copies[n];
    Question asked{kind,   copy.view, copy.next_epoch, world.alive, {}, static_cast<uint8_t>(n),
                   members};
    for (int i = 0; i < kNodes; ++i) {
      asked.incarnations[static_cast<size_t>(i)] = world.copies[i].incarnation;
    }
    return asked;
  }

  // What a leader commits about its members goes on its way, and is carried out later.
  void submit(const World& world, Kind kind, int n, uint8_t members) {
    const auto& change = decisions_.ask(question(world, kind, n, members));
    if (!change || world.version >= limits_.changes) return;
    World next = world;
    Copy& copy = next.copies[n];
    copy.pending = static_cast<uint8_t>(change->leadership + 1);
    copy.pending_version = change->compares_leadership ? copy.version : 255;
    visit(next, at_, "submits", n, static_cast<int>(kind) * 10 + members);
  }

  void change_members(const World& world, int n, const Leadership& view) {
    const Copy& copy = world.copies[n];
    if (!view.open) return open(world, n);
    if (!limits_.joining) return;
    const uint8_t acknowledged = world.acknowledged.length;
    for (int m = 0; m < kNodes; ++m) {
      const auto bit = static_cast<uint8_t>(1 << m);
      if (contains(view.sync, Decisions::member(m, world.copies[m].incarnation))) {
        submit(world, Kind::kShrink, n, bit);
      } else if (m != n) {
        submit(world, Kind::kBeginJoining, n, bit);
      }
    }
    if (!view.joining) return;
    const int joining = view.joining->node.value - 1;
    const bool holds = copy.position[joining] > acknowledged;
    if (copy.caught_up != 0 || mutation_ == Mutation::kJoinWithoutPosition) {
      submit(world, Kind::kFinishJoining, n, 0);
    } else if (holds) {
      World next = world;
      next.copies[n].caught_up = 1;
      visit(next, at_, "sees who joins caught up", n);
    }
  }

  void open(const World& world, int n) {
    const Copy& copy = world.copies[n];
    for (uint8_t members = 0; members < 1 << kNodes; ++members) {
      bool ready = (members >> n & 1) == 0;
      for (int m = 0; m < kNodes; ++m) {
        if ((members >> m & 1) == 0) continue;
        const bool holds = copy.position[m] > copy.began_with;
        ready = ready && (holds || mutation_ == Mutation::kOpenWithoutPosition);
      }
      if (ready) submit(world, Kind::kOpen, n, members);
    }
  }

  void carry_out_pending(const World& world, int n) {
    const Copy& before = world.copies[n];
    if (before.pending == 0 || before.pending_done != 0) return;
    World next = world;
    Copy& copy = next.copies[n];
    if (before.pending_version != 255 && before.pending_version != world.version) {
      copy.pending = copy.pending_version = 0;
      return visit(next, at_, "is refused", n);
    }
    next.leadership = static_cast<uint8_t>(before.pending - 1);
    ++next.version;
    copy.pending_done = 1;
    visit(next, at_, "commits", n);
  }

  void change_leadership(const World& world, int n) {
    if (world.version >= limits_.changes) return;
    for (const Kind kind : {Kind::kRenew, Kind::kPromote, Kind::kPromoteLossy}) {
      if (kind == Kind::kPromoteLossy && world.losses == limits_.losses) continue;
      const Copy& copy = world.copies[n];
      if (copy.next_epoch > limits_.epochs || copy.pending != 0) continue;
      const auto& change = decisions_.ask(question(world, kind, n, 0));
      if (!change) continue;
      if (change->compares_leadership && copy.version != world.version) continue;
      if (change->compares_epochs && copy.next_epoch != world.next_epoch) continue;
      World next = world;
      next.leadership = change->leadership;
      next.next_epoch = change->next_epoch;
      ++next.version;
      if (kind == Kind::kPromoteLossy) {
        ++next.losses;
        give_up(next, decisions_.term(copy.view).leader.node.value - 1, copy.log);
      }
      visit(next, at_, "takes over", n, static_cast<int>(kind));
    }
  }

  // Counted as lost is what the old leader held and the new one does not. That includes what an
  // even earlier leader, which has not heard of its end, may yet acknowledge with what was reported
  // to it before: the old leader was in its sync set.
  static void give_up(World& next, int leader, const Log& kept) {
    const Log& held = next.copies[leader].log;
    for (uint8_t i = kept.agreement(held); i < held.length; ++i) {
      next.lost = static_cast<uint8_t>(next.lost | 1 << (held.records[i] % 16));
    }
    next.acknowledged.cut(next.acknowledged.agreement(kept));
  }

  void lose_lease(const World& world, int n) {
    // Node 2 keeps its lease, and none comes back: enough for each kind of history.
    const bool held = (world.alive >> n & 1) != 0;
    if (limits_.losses == 0 || n == 2 || !held) return;
    World next = world;
    next.alive = static_cast<uint8_t>(next.alive ^ 1 << n);
    visit(next, at_, "loses its lease", n);
  }

  void wipe(const World& world, int n) {
    World next = world;
    Copy& copy = next.copies[n];
    const auto incarnation = static_cast<uint8_t>(copy.incarnation + 1);
    std::memset(&copy, 0, sizeof(copy));
    copy.incarnation = incarnation;
    refresh(next, n);
    for (Copy& other : next.copies) other.position[n] = 0;
    ++next.wipes;
    visit(next, at_, "is wiped", n);
  }

  struct Step {
    size_t from;
    const char* what;
    int a;
    int b;
  };

  WalkLimits limits_;
  Mutation mutation_;
  Decisions decisions_;
  WalkResult result_;
  std::unordered_map<std::string, size_t> seen_;  // lookup only
  std::vector<World> worlds_;
  std::vector<Step> steps_;
  size_t at_ = 0;
};

}  // namespace

WalkResult walk(const WalkLimits& limits, Mutation mutation) {
  return Walk(limits, mutation).run();
}

}  // namespace magpie::control::testing
