// Consumer groups and their committed positions.
//
// The problem: consumers of a group share the partitions of their topics. They come and go, fall
// silent, restart, and must always agree who reads what; and wherever a group has got to in each
// partition must survive every crash, neither forgotten nor invented.
//
// The idea: one machine holds all groups of this node. Who belongs to a group is negotiated in
// rounds (the classic rebalance protocol): everybody joins, one member leads and assigns, each gets
// its share under a generation number that fences whoever is left over from earlier rounds. What
// must survive is written as records to an internal compacted topic, in Kafka's own format. The
// machine decides, hands out records together with nothing else, and releases the replies that
// depend on them when it is told that they are committed. Stored state is changed by applying
// records only, the same way at run time and at start.
//
// Guarantees:
//  - A committed position or a finished rebalance is acknowledged after its records are durable,
//    and a position that is not durable is never shown.
//  - After a restart positions, generations, members and assignments are those of the last durable
//    records; members go on with their heartbeats and notice nothing. Session timers start anew.
//  - At most one generation of a group is current. Members of a stable group all hold assignments
//    made by the same leader in that generation; the leader's bytes are passed on as they came.
//  - Every request is answered exactly once: parked joins and syncs when their group moves on, at
//    the latest when a deadline passes; stop() answers all that are left.
//
// What it does not do: it does not know partitions, batches, connections or the wire. Which
// partition of the internal topic holds a group, whether a topic exists and what a caller may do
// are the composer's questions. It never assigns partitions itself (the newer consumer protocol,
// KIP-848) and knows no transactions.
//
// Where it differs from Kafka on purpose: while loading it answers NOT_COORDINATOR; a static
// member's new id is stored before the old one is fenced, not after; a group that nothing is stored
// about vanishes instead of being stored as empty; a commit from outside prolongs the life of an
// empty group's position; a static member can come back to a full group; a request that its client
// has repeated is answered (REBALANCE_IN_PROGRESS, or FENCED_INSTANCE_ID for a static member that
// joined anew) instead of being forgotten.
//
// Driving it: load() every record of the internal topic in order, then finish_loading(); until then
// every request is answered NOT_COORDINATOR, because not every client retries
// COORDINATOR_LOAD_IN_PROGRESS. Then step() for every event, and tick() when next_deadline() has
// come. Hand every Append of the output to the internal topic and report its outcome as an event.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "group/durable_groups.h"
#include "group/events.h"
#include "group/group_config.h"
#include "group/queries.h"

namespace magpie::group {

struct CoordinatorState;

class GroupCoordinator {
 public:
  // `seed` makes member ids; it must differ between two starts of a node, or ids could repeat.
  GroupCoordinator(GroupConfig config, uint64_t seed);
  ~GroupCoordinator();

  // --- start and stop --------------------------------------------------------------------------

  // One record of the internal topic. kCorrupt or kUnsupported as decode() says: the groups must
  // then not be served from what was loaded. REQUIRES: not serving.
  Status load(const Record& record);

  // Everything was loaded: requests are served from now on, and what was reported of topics in the
  // meantime happens to their positions. Afterwards the caller should deliver
  // TopicDeleted for each of topics_with_positions() that does not exist any more, because a crash
  // may have come between the deletion of a topic and the removal of its positions; or, of one that
  // is away, TopicRenamed.
  void finish_loading(const Now& now, Output& out);

  // Answers everything that waits with NOT_COORDINATOR and forgets all groups; load() may begin
  // again. Outcomes of earlier appends that arrive later are ignored.
  void stop(Output& out);

  bool is_serving() const;

  // --- running ---------------------------------------------------------------------------------

  void step(const Now& now, const Event& event, Output& out);
  // Time passed; does nothing before next_deadline().
  void tick(const Now& now, Output& out);
  Instant next_deadline() const;

  // --- questions -------------------------------------------------------------------------------

  // Only durable positions are returned. NOT_COORDINATOR while loading.
  OffsetFetchAnswer fetch_positions(const OffsetFetch& request) const;
  // `states` filters by name, ignoring case (KIP-518); empty: all.
  ListGroupsAnswer list(const std::vector<std::string>& states) const;
  GroupDescription describe(const std::string& group_id) const;

  // What is stored about each group, by group id: positions for consumer lag, for instance.
  const DurableGroups& durable() const;
  std::set<std::string> topics_with_positions() const;
  const GroupStatistics& statistics() const;

 private:
  std::unique_ptr<CoordinatorState> state_;
};

}  // namespace magpie::group
