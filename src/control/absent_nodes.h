// Nodes that were taken out of the cluster with their region, and may come back with what they
// hold.
//
// The problem: tombstones stay until every member has passed them, and whoever was taken out is not
// waited for. A copy that missed one still holds the deleted key, and would bring it back if it
// ever led. The idea: a tombstone stays for the topic's delete.retention.ms after nobody is waited
// for any more, so a node that comes back sooner has missed none. One that comes later must come
// with an empty directory. What counts is the directory, also if it has become another incarnation
// since (directory_opening.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/refusal.h"
#include "control/state.h"

namespace magpie::control {

// Keys of the cluster's state: absent_nodes/<id>, from the removal until the node registers with
// the same directory.
inline constexpr std::string_view kAbsentNodePrefix = "absent_nodes/";
std::string absent_key(NodeId node);

struct AbsentNode {
  Uuid directory;  // its first incarnation
  WallTime since;

  bool operator==(const AbsentNode&) const = default;
};
std::string encode_absent_node(const AbsentNode& absent);
// Nothing if it is malformed, or of a newer version.
std::optional<AbsentNode> decode_absent_node(std::string_view value);

// Why the node cannot come back with this directory; nothing if it can. `defaults`: of topics,
// where they differ from Kafka's.
std::optional<Refusal> absence_problem(const State& state, NodeId node, const Uuid& directory,
                                       const ConfigValues& defaults, WallTime now);
// It is back: what was noted of this directory goes. Of another one it stays, which may come, too.
void forget_absence(const State& state, const Node& node, Transaction& transaction);

}  // namespace magpie::control
