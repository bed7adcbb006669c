// What a follower takes from one other node: the partitions that node leads.
//
// The problem: before a copy may take a leader's batches, its own log must be made to agree with
// the leader's, and nothing may be cut before it is kept elsewhere; then thousands of partitions
// share one connection, and every position held durably must be told at once. The idea: each
// partition goes through the same few steps (ask, export, cut, begin, follow), and whatever goes
// wrong sends it back to the first.
//
// Guarantees: a batch is appended only in the epoch in which the log was compared; a tail is cut
// only after tail_exported() said that it is kept (G10); positions are reported after they are
// durable.
//
// What it does not do: it does not decide whom to follow, open connections, or export tails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "link/copies.h"
#include "link/credit.h"
#include "link/group_bytes.h"
#include "link/message.h"
#include "link/session.h"
#include "port/effect.h"

namespace magpie::link {

// A partition that the leader refused is asked for again after this.
inline constexpr Duration kAskAgain = Duration::milliseconds(200);
// One that the leader cannot read: only a person, or another leader, makes that better.
inline constexpr Duration kAskDamagedAgain = Duration::seconds(5);

// One partition to follow.
struct Followed {
  Route route = 0;
  Uuid topic_id;
  PartitionIndex index;
  std::string group;
  LeaderEpoch epoch;
  // The group's: where a link has to choose, lower ones go first. Told to the leader when the copy
  // is compared, so a change takes effect then.
  int32_t priority = 100;
  // Somebody may rely on this node's copies, as far as is known here: it is promotable, or joins.
  bool counts = false;
};

// The records in [from, to) differ from the leader's and are about to be cut: export them, then
// call tail_exported().
struct TailDiffers {
  Route route = 0;
  Offset from;
  Offset to;
  LeaderEpoch epoch;   // in which the last of them was written (salvage::Tail::epoch)
  LeaderEpoch cut_in;  // of the leader that does not have them
};
// The leader no longer has what follows: the copy's whole log goes, and it begins anew at `at`.
// What differed was exported before; if `at` is above `end`, the records between are a gap: count
// it, then call begin_anew(). Until then the copy waits.
struct CopyOutdated {
  Route route = 0;
  Offset end;
  Offset at;
};
// Some of the copy cannot be read, and the leader relies on others: it may be put away, and another
// one begun in its place. Until then it waits.
struct CopyUnreadable {
  Route route = 0;
  LeaderEpoch epoch;       // of the leader that says so
  bool tail_kept = false;  // what differs from the leader's was exported; else it may hold such
};
// The copy agrees with the leader and its batches come from now on.
struct Following {
  Route route = 0;
};
using ReceiverEvent = std::variant<TailDiffers, CopyOutdated, CopyUnreadable, Following>;

class Receiver {
 public:
  // Both must outlive this object. `session` may be replaced by use().
  explicit Receiver(Copies& copies) : copies_(copies) {}

  // From now on the leader is reached through `session`; null: not at all. Everything is asked for
  // anew.
  void use(const Session* session);

  // Follows a partition, whose role is set; again, if its epoch is another one now.
  void follow(const Followed& wanted);
  void unfollow(Route route);

  void on(const Now& now, const wire::LinkFollowAnswer& message, port::Effects& effects);
  void on(const Now& now, wire::LinkBatches& message, port::Effects& effects);
  void on(const Now& now, const wire::LinkEnd& message);

  void tail_exported(const Now& now, Route route, port::Effects& effects);
  // The tail cannot be exported, because it is what cannot be read. The copy goes as it is if it
  // may; otherwise the leader is asked again after a while.
  void tail_unreadable(const Now& now, Route route);
  // After CopyUnreadable: the copy is not put away now. The leader is asked again after a while.
  void stays(const Now& now, Route route);
  // After CopyOutdated. Does nothing if the copy is not waiting for it any more.
  void begin_anew(const Now& now, Route route, port::Effects& effects);
  // What the partition said: CutDone or BegunAnew, LogMoved, StorageFailed, StorageRecovered.
  void cut_done(Route route);
  void moved(Route route);
  void storage_failed(Route route);
  // Its condition is another one. The leader hears of it at once, and again until the copy may be
  // put away; as long as the group relies on it, only when that changes.
  void unreadable(Route route);

  // Asks, begins and reports. Called at the end of a turn.
  void flush(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  std::vector<ReceiverEvent>& events() { return events_; }
  bool is_following(Route route) const;
  // Partitions not yet in agreement with their leader.
  size_t behind() const { return followed_.size() - following_; }
  uint64_t taken_bytes() const { return taken_bytes_; }
  // Adds what comes in from now on to `counter`, which must outlive this object.
  void count_into(BytesByGroup& counter) { counter_ = &counter; }

 private:
  enum class Step { kAsk, kAsked, kExporting, kOutdated, kCutting, kBegin, kFollowing };
  struct Copy {
    Followed wanted;
    Step step = Step::kAsk;
    Instant ask_at;
    Condition condition = Condition::kWell;  // as the leader was told
    // What the leader of `compared` said.
    LeaderEpoch compared = kNoLeaderEpoch;
    Offset common_end;
    Offset restart_at{-1};  // -1: the copy is not to begin anew
    bool may_go = false;    // some of it cannot be read, and nobody relies on it
    Offset leader_start;
    // The log is empty and begins where the leader's batch does that holds this offset; -1: no.
    Offset batch_of{-1};
    partition::LeaderLog leader_log;
    Offset reported{-1};  // durable end
    Offset reported_start{-1};
  };

  static bool is_held(const Copy& copy);
  Copy* find(int32_t handle);
  void set_step(Copy& copy, Step step);
  void ask_again(Copy& copy, const Now& now);
  void ask_at(Copy& copy, Instant when);
  // The copy, if it is here and follows as is wanted; otherwise null.
  const partition::Partition* ready(const Copy& copy) const;
  void compared(const Now& now, Copy& copy, const wire::LinkFollowAnswer::Partition& answer);
  bool append_all(const Now& now, Copy& copy, const BufferChain& batches, port::Effects& effects);
  void count_wire(const wire::LinkBatches& message);
  void ask(const Now& now, port::Effects& effects);
  static wire::LinkFollow::Partition question(Copy& copy, const partition::Partition* partition);
  Instant asks_about_unreadable_at(Route route, Instant when) const;
  void ask_about_unreadable(const Now& now);
  void outdated(Copy& copy, Offset end);
  void put_away(Copy& copy, bool tail_kept);
  void empty(const Now& now, Copy& copy, Offset at, port::Effects& effects);
  bool begins_in_batch(const Copy& copy, const record::BatchHeader& header) const;
  void begin(const Now& now, port::Effects& effects);
  void report(port::Effects& effects);
  int64_t grant() const;

  Copies& copies_;
  const Session* session_ = nullptr;
  std::map<Route, Copy> followed_;              // the route is the handle
  std::set<std::pair<Instant, Route>> to_ask_;  // who is in the first step
  std::map<Route, Instant> unreadable_;         // and when the leader is asked again
  std::set<Route> to_begin_;
  std::set<Route> to_report_;
  size_t following_ = 0;
  uint64_t taken_bytes_ = 0;
  uint64_t reported_bytes_ = 0;
  Credit credit_;
  BytesByGroup* counter_ = nullptr;
  std::vector<ReceiverEvent> events_;
};

}  // namespace magpie::link
