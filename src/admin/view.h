// What the admin port may look at.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/regions_status.h"
#include "admin/store_status.h"
#include "base/time.h"
#include "group/group_coordinator.h"
#include "kafka/broker.h"

namespace magpie::failover {
class Operations;
}

namespace magpie::admin {

struct NodeView {
  std::string phase;           // "starting", "running", "stopping", …
  bool serving = false;        // takes Kafka requests
  std::string groups_failure;  // why consumer groups are not served; empty if they are
  std::string storage_error;   // why the cluster state cannot be changed; empty if it can
  const group::GroupCoordinator& coordinator;
  failover::Operations* operations = nullptr;  // null on a node that is alone
  std::function<RegionsStatus()> regions;      // the same; costs a look at every partition
  std::function<StoreStatus()> store;          // the same
  // Why nothing can be changed by way of the control store; empty if it can.
  std::string store_trouble = {};
  Duration lease = Duration::seconds(10);  // of a node with the control store
  // Folders of deleted topics that the disk refuses to move or remove.
  std::vector<std::string> stuck_folders = {};
  // The signature of a text by the cluster's key; none if the node has no key.
  std::function<std::string(std::string_view)> sign;
};

}  // namespace magpie::admin
