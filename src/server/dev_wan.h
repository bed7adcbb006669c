// The WAN of `magpie dev`: a relay for each direction in which sites call each other.
//
// A node advertises one address for its links, but what lies between two regions is a matter of
// both. So each node is told by its configuration (cluster.link.routes) to reach each other node
// through a relay of its own, and the control store too. A region that is cut off is one whose
// relays are cut, in both directions.
//
// The members of an etcd stand in regions and have lanes, too: from every node to every member, and
// between members (dev_exit.h). Where both ends stand in one region, the lane has no delay.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "relay/relay.h"
#include "server/dev_exit.h"
#include "server/dev_plan.h"

namespace magpie::server {

struct DevLane {
  std::string from;
  std::string to;
  HostPort listen;
  std::string state;  // "open", "silent", "half silent", "cut"
};

class DevWan {
 public:
  // Listens for every pair of the plan. REQUIRES: the plan has a WAN.
  static Result<std::unique_ptr<DevWan>> open(boost::asio::io_context& context,
                                              const DevPlan& plan);

  // Where `node` finds everyone else.
  DevRoutes routes_of(const DevPlan& plan, const DevNode& node) const;

  // Each of these: the lanes that enter or leave `one`, or only those between `one` and `other` if
  // that is not empty. They name a region, with its member of an etcd; such a member alone;
  // "store", which is all of the control store; or "all". Error: there is no such site.
  //
  // Changes what change_wan() understands.
  Status change(const std::string& one, const std::string& other, const std::string& text);
  // Bytes are taken and go nowhere, from `one` towards the other only if `one_way`.
  Status silence(const std::string& one, const std::string& other, bool one_way);
  // Connections are closed and new ones refused.
  Status cut(const std::string& one, const std::string& other);
  // Ends both.
  Status heal(const std::string& one, const std::string& other);

  std::vector<DevLane> lanes() const;

 private:
  struct Lane {
    std::unique_ptr<relay::Relay> relay;
    bool cut = false;
  };
  using Ends = std::pair<std::string, std::string>;  // who calls, who is called

  DevWan() = default;
  Status add(boost::asio::io_context& context, const DevPlan& plan, const std::string& from,
             const std::string& to, const HostPort& target);
  Status add_members(boost::asio::io_context& context, const DevPlan& plan);
  Status check_sites(const std::string& one, const std::string& other) const;
  // Calls visit(ends, lane) for the lanes that are meant.
  template <typename Visit>
  void for_each(const std::string& one, const std::string& other, Visit visit);

  std::map<Ends, Lane> lanes_;
  std::vector<std::unique_ptr<DevExit>> exits_;  // of the members
};

}  // namespace magpie::server
