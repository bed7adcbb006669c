// What the executor of an operation asks other sites, and what comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/ids.h"
#include "wire/link_accept.h"
#include "wire/link_accept_answer.h"
#include "wire/link_inspect.h"
#include "wire/link_inspect_answer.h"

namespace magpie::failover {

// To a site's node, also to the asking node itself. `node` is -1 for a site without a registered
// node, such as a witness: any process there that votes may answer.
struct Question {
  uint64_t ticket = 0;
  std::string region;
  NodeId node{-1};
  std::variant<wire::LinkAccept, wire::LinkInspect> ask;
};

// Nobody answered, or what answered was no answer.
struct Unreachable {};

using Answer = std::variant<Unreachable, wire::LinkAcceptAnswer, wire::LinkInspectAnswer>;

}  // namespace magpie::failover
