// What a failover group is set to: how many copies, what happens when there are fewer, where its
// leader belongs.
//
// A policy is only kept if it can hold. What cannot (a copy count that the regions do not give, two
// settings that contradict each other) is refused when it is set, with a sentence that says why and
// what to choose, and not found out on the day a region is lost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "control/region.h"

namespace magpie::control {

enum class GroupMode { kStandby, kDualActive, kMultiActive };
// What happens to writes while fewer than `min` copies can be had.
enum class TooFewCopies { kBlock, kDegrade };
enum class FailoverBy { kManual, kSemiAutomatic, kAutomatic };
enum class View { kLeader, kLocal };
enum class Consistency { kStrong, kPrefix, kCausal, kEventual };

// Every region of the group but the leader's.
inline constexpr int32_t kAllCopies = -1;
inline constexpr size_t kTopicPatternsMax = 100;

struct FailoverGroup {
  std::string name;
  GroupMode mode = GroupMode::kStandby;
  // The first is home. Empty: all data regions, in the order of their names.
  std::vector<std::string> regions;
  int32_t copies = 1;  // besides the leader's own; 0: asynchronous
  int32_t min = 1;     // fewer are too few; see below_min
  // How long a member may keep acknowledgements waiting before the leader goes on without it.
  Duration timeout = Duration::seconds(10);
  TooFewCopies below_min = TooFewCopies::kDegrade;
  // The same after a failover, until there are `min` copies again; none: as below_min.
  std::optional<TooFewCopies> after_failover;
  // Asynchronous groups: nothing is acknowledged that would put the copies further behind.
  std::optional<Duration> max_lag_time;
  std::optional<int64_t> max_lag_records;
  FailoverBy failover = FailoverBy::kManual;
  View view = View::kLeader;
  Consistency consistency = Consistency::kStrong;
  int32_t priority = 100;  // of restoration and on links; lower first
  // New topics whose names match one of these come into the group (topic_pattern.h).
  std::vector<std::string> topics;

  bool operator==(const FailoverGroup&) const = default;
};

// The two groups that always exist: where a topic is if nothing else was said, and where the
// positions of consumer groups are.
inline constexpr std::string_view kDefaultGroup = "default";
inline constexpr std::string_view kSystemGroup = "system";
// Their policies while nobody has altered them.
FailoverGroup default_group();
FailoverGroup system_group();

// "critical", "standard" or "bulk"; nothing for another name. Regions are for the caller to set.
std::optional<FailoverGroup> preset(std::string_view name);

using Regions = std::map<std::string, Region, std::less<>>;

// The regions of a group, those that exist now if it names none.
std::vector<std::string> regions_of(const FailoverGroup& group, const Regions& regions);

// How many copies the policy asks for in a cluster with these regions. A group that names no
// regions asks for no more than there are.
int32_t wanted_copies(const FailoverGroup& group, const Regions& regions);

// Why this policy cannot hold, and what to choose; nothing if it can.
std::optional<std::string> group_problem(const FailoverGroup& group, const Regions& regions);

// What is wrong with the name of a group or a region: 1 to 63 of [a-zA-Z0-9._-], beginning with a
// letter or digit.
std::optional<std::string> label_problem(std::string_view label);

}  // namespace magpie::control
