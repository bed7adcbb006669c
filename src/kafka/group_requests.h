// Between the Kafka protocol and the group coordinator.
//
// Handlers hand a request to the coordinator together with what to do with its reply. The
// coordinator's records go to the internal topic through one queue of appends; it hears of each
// append's outcome exactly once, and only then lets go of the replies that depended on it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "group/group_coordinator.h"
#include "kafka/broker.h"
#include "kafka/ticket.h"
#include "partition/messages.h"

namespace magpie::kafka {

class GroupRequests {
 public:
  using Then = std::function<void(Broker&, const group::Reply&)>;

  explicit GroupRequests(group::GroupCoordinator& coordinator) : coordinator_(coordinator) {}

  // Passes `request` on, with a token of its own; `then` is called once, now or later.
  template <typename GroupRequest>
  void submit(Broker& broker, GroupRequest request, Then then) {
    request.token = group::ReplyToken{next_token_++};
    waiting_.emplace_hint(waiting_.end(), request.token, std::move(then));
    step(broker, std::move(request));
  }

  // For queries, which are answered at once.
  const group::GroupCoordinator& coordinator() const { return coordinator_; }

  // This node leads the internal partition, and its records are being loaded.
  void begin_loading() { is_ours_ = true; }

  // Every record of the internal topic was loaded: serve, and do with the positions of topics that
  // were deleted or restored meanwhile what is left to do.
  void finish_loading(Broker& broker);

  // The node stops, or no longer leads the internal partition: answers everything that waits and
  // forgets all groups. begin_loading() may follow.
  void stop(Broker& broker);

  // Ignored while another node coordinates the groups, which hears of the deletion itself. While
  // groups are loaded it is kept: nothing else says that a topic of the name went for good.
  void topic_deleted(Broker& broker, const std::string& topic);
  // The same of a topic that can be restored, is restored, or cannot be restored any more. While
  // groups are loaded these are ignored: finish_loading() sees them in the state.
  void topic_put_aside(Broker& broker, const std::string& topic, const Uuid& id);
  void topic_restored(Broker& broker, const std::string& topic, const Uuid& id);
  void topic_purged(Broker& broker, const Uuid& id);

  // The internal partition settled one of our appends.
  void settled(Broker& broker, const Ticket& ticket, const partition::Settled& settled);

  void tick(Broker& broker);
  Instant next_deadline() const { return coordinator_.next_deadline(); }

 private:
  void step(Broker& broker, group::Event event);
  void settle_name(Broker& broker, const std::string& name, const std::vector<Uuid>& kept,
                   bool deleted_early);
  void settle_aside(Broker& broker, const std::string& name);
  void carry_out(Broker& broker, group::Output& out);
  void append(Broker& broker, const group::Append& append);

  group::GroupCoordinator& coordinator_;
  bool is_ours_ = false;                 // loading or serving
  std::set<std::string> deleted_early_;  // topics, while groups were loaded
  uint64_t next_token_ = 0;
  std::map<group::ReplyToken, Then> waiting_;
  uint64_t next_append_ = 0;
  std::map<uint64_t, group::AppendId> appends_;  // by ticket operation
};

}  // namespace magpie::kafka
