// What `magpie store adopt` does: asks the nodes, compares, and writes the newest state into a
// restored control store. The decisions are in control/adoption.h.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/time.h"
#include "os/http_client.h"
#include "server/admin_client.h"
#include "store/courier.h"

namespace magpie::server {

struct AdoptionOrder {
  store::CourierConfig store;
  os::HttpClientConfig http;
  std::vector<std::string> nodes;  // admin ports
  std::vector<int32_t> without;    // ids of nodes that cannot be asked
  bool dry_run = false;
  bool confirmed = false;
  Duration timeout;  // for each node, and for each step of the store
};

// What was found and done, in the shape that `-o json` shows; docs/operations/control-store.md
// describes it. An error says what is in the way; if the plan was made, `plan` holds it.
struct AdoptionFailure {
  CommandError error;
  nlohmann::json plan;  // null if there is none
};
tl::expected<nlohmann::json, AdoptionFailure> adopt_store(const AdoptionOrder& order);

// The same for people.
std::string adoption_text(const nlohmann::json& plan);

}  // namespace magpie::server
