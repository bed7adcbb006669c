// Who leads and who follows: makes the roles of this node's copies what the cluster state says.
//
// The problem: leadership changes hands in the control store, in one transaction for a whole
// failover group; afterwards each copy of each partition must change its role, exactly once and in
// order, while partitions come and go and this node may have been dead for a while. The idea: look
// at the state and bring every copy in line with it, again and again; nothing but the state and the
// copies themselves is remembered, except which terms were this node's in an earlier life.
//
// Guarantees: this node leads only in terms that began in this life (a restarted leader takes a new
// epoch first); it leads a group only when every partition of it that is here can be read; commits
// are held whenever neither the lease nor enough promises (promises.h) are certainly valid; a copy
// follows only who leads in the state, and serves no consumers once it has not been linked to the
// leader for as long as a lease lasts.
//
// What it does not do: it decides no failover, and opens no partition.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "control/member.h"
#include "control/state.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "node/led_group.h"
#include "node/links.h"
#include "node/promises.h"

namespace magpie::node {

class Terms {
 public:
  // `state`, `partitions` and `links` must outlive this object. `lease`: how long one lasts.
  Terms(const control::State& state, kafka::PartitionTable& partitions, Links& links,
        Duration lease);

  // The state is read; this node is `self`. Nothing happens before.
  void start(kafka::Broker& broker, const control::Member& self);
  // The node is to stop: no term is begun any more, and who takes over what is led here is not
  // followed. Returns the groups that are led.
  std::vector<std::string> leave();
  // It stops: whatever is led commits nothing more, because the lease is given up.
  void stop(kafka::Broker& broker);

  // One change of the state was applied.
  void applied(kafka::Broker& broker, const control::Difference& difference);
  // Partitions of the topic were opened and may be used, or are gone.
  void topic_changed(kafka::Broker& broker, const std::string& topic);
  // Of a partition: its role can be looked at again.
  void partition_changed(kafka::Route route);
  // A write of a leader failed: this term can go no further.
  void epoch_spent(kafka::Route route);
  // A follower began, or holds more.
  void follower_moved() { follower_moved_ = true; }

  // Until when this node certainly holds its lease. Called before anything else of a turn.
  void set_lease(kafka::Broker& broker, std::optional<Instant> valid_until);

  void promised(NodeId node, const wire::LinkPromiseAnswer& answer) {
    promises_.answered(node, answer);
  }

  // Brings roles in line. True if something was done.
  bool settle(kafka::Broker& broker);
  void tick(kafka::Broker& broker);
  Instant next_deadline() const;

  // Partitions whose right to serve changed since the last call (kafka/role_changes.h): another
  // role or epoch, commits that are held or no more, a leader that cannot be heard or can again.
  std::vector<kafka::Route> take_changed() { return std::exchange(changed_, {}); }
  // Groups that this node should lead and cannot, because a copy here is damaged or gone; and the
  // copy. Said again at every look.
  std::map<std::string, std::string> take_unable() { return std::exchange(unable_, {}); }

  // Null if this node does not lead the group.
  LedGroup* led(const std::string& group) const;
  // Where the copies of the groups that are led elsewhere end, in all.
  std::map<std::string, int64_t> followed_ends() const;
  // The groups led here, for operators.
  std::vector<admin::LedGroupStatus> led_groups() const;
  // The failover group of a partition here; empty if it has none.
  const std::string& group_of(kafka::Route route) const;

 private:
  struct Group {
    std::set<kafka::Route> routes;          // of partitions here that may be used
    size_t hosted = 0;                      // that are to be here
    LeaderEpoch not_ours = kNoLeaderEpoch;  // an epoch that can be led no further
    std::unique_ptr<LedGroup> led;
    bool held = false;                       // commits are
    bool leaving = false;                    // it was led here when the node was asked to stop
    Instant linked_at;                       // when the leader elsewhere could last be heard
    bool cut_off = true;                     // that is longer ago than a lease lasts
    bool proposing = false;                  // to lead, or the floors of a term with loss
    LeaderEpoch floors_of = kNoLeaderEpoch;  // the epoch whose floors are recorded
    std::string complaint;                   // why it is not led, as last said
  };

  bool hosts(const control::Topic& topic, PartitionIndex index) const;
  void place_topic(kafka::Broker& broker, const std::string& name);
  void place_all(kafka::Broker& broker);
  // Returns what was there: the group of each route.
  std::map<kafka::Route, std::string> take_off(const std::string& topic);
  void look_at(kafka::Broker& broker, const std::string& name, Group& group);
  void lead(kafka::Broker& broker, const std::string& name, Group& group,
            const control::Leadership& held);
  bool can_lead(kafka::Broker& broker, const std::string& name, Group& group);
  bool has_floors(kafka::Broker& broker, const std::string& name, Group& group,
                  const control::Leadership& held);
  bool set_follower(kafka::Broker& broker, kafka::HostedPartition& hosted, const Group& group,
                    const control::Leadership& held);
  void follow(kafka::Broker& broker, const std::string& name, Group& group,
              const control::Leadership& held);
  void take_leadership(kafka::Broker& broker, const std::string& name, Group& group);
  void renew(kafka::Broker& broker, const std::string& name, Group& group);
  void proposed(kafka::Broker& broker, const std::string& name, const std::string& what,
                const std::optional<control::Refusal>& refusal);
  void node_changed(kafka::Broker& broker, NodeId node);
  void look_at_link(const Now& now, Group& group, const control::Leadership& held);
  bool may_commit(const Now& now, const std::string& name, const Group& group) const;
  void ask_for_promises(kafka::Broker& broker);

  const std::string no_group_;
  const control::State& state_;
  kafka::PartitionTable& partitions_;
  Links& links_;
  std::optional<control::Member> self_;
  std::map<std::string, Group> groups_;
  std::map<kafka::Route, std::string> group_of_;
  // Per topic: the groups of its partitions that are to be here, and the routes in use.
  std::map<std::string, std::map<std::string, size_t>> placed_;
  std::map<std::string, std::set<kafka::Route>> routes_of_;
  std::map<NodeId, Uuid> incarnations_;
  std::set<std::string> dirty_;
  std::vector<kafka::Route> changed_;
  std::map<std::string, std::string> unable_;
  const Duration lease_;
  Promises promises_;
  bool leaving_ = false;
  bool has_lease_ = false;
  bool had_lease_ = false;  // at any time in this life
  Instant lease_ends_;
  Instant next_expiry_ = Instant::never();  // of the lease or of promises
  bool follower_moved_ = false;
  Instant next_look_ = Instant::never();
};

}  // namespace magpie::node
