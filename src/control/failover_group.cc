#include "control/failover_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "control/topic_pattern.h"

namespace magpie::control {
namespace {

using Problem = std::optional<std::string>;

constexpr size_t kLabelBytesMax = 63;

// Settings that this version has no machinery for.
Problem not_offered(const FailoverGroup& group) {
  if (group.mode == GroupMode::kDualActive) {
    return "mode dual-active is made of two standby groups, one led by each region: create two "
           "groups with different first regions and name both, separated by a comma, in the "
           "topic's magpie.failover.group";
  }
  if (group.mode == GroupMode::kMultiActive) {
    return "mode multi-active is not offered by this version; choose standby";
  }
  if (group.failover != FailoverBy::kManual) {
    return "failover by itself, or with a person's approval, needs the detection of lost regions, "
           "which this version does not have; choose manual";
  }
  if (group.view == View::kLocal) return "view local is not offered by this version; choose leader";
  return std::nullopt;
}

Problem regions_problem(const FailoverGroup& group, const Regions& regions) {
  std::set<std::string_view> seen;
  for (const std::string& name : group.regions) {
    const auto found = regions.find(name);
    if (found == regions.end()) {
      return fmt::format("there is no region '{}'; start a node in it or register it first", name);
    }
    if (found->second.role == RegionRole::kWitness) {
      return fmt::format("region '{}' is a witness and holds no records; name data regions only",
                         name);
    }
    if (!seen.insert(name).second) return fmt::format("region '{}' is named twice", name);
  }
  return std::nullopt;
}

// A group without regions of its own takes what the cluster has, now and later; one copy may be
// asked for before there is a second region.
Problem copies_in_cluster_problem(const FailoverGroup& group, const Regions& regions) {
  const auto others = static_cast<int32_t>(regions_of(group, regions).size()) - 1;
  const int32_t most = std::max(group.copies, group.min);
  if (most <= std::max(others, 1)) return std::nullopt;
  return fmt::format(
      "{} copies besides the leader's need {} regions, but the cluster has {}. Start nodes in more "
      "regions first, lower copies and min, or set copies to all",
      most, most + 1, others + 1);
}

Problem copies_problem(const FailoverGroup& group, const Regions& regions) {
  if (group.copies < kAllCopies) return "copies must be 0 or more, or all";
  if (group.min < 0) return "min must be 0 or more";
  const int32_t wanted = wanted_copies(group, regions);
  if (group.copies != kAllCopies && group.min > group.copies) {
    return fmt::format(
        "min {} is more than copies {}: writes would wait for copies that are never "
        "made. Lower min or raise copies",
        group.min, group.copies);
  }
  if (group.regions.empty()) return copies_in_cluster_problem(group, regions);
  const auto others = static_cast<int32_t>(group.regions.size()) - 1;
  if (wanted > others || group.min > others) {
    return fmt::format(
        "{} copies besides the leader's need {} regions, but the group has {}. Name "
        "more regions or lower copies and min",
        std::max(wanted, group.min), std::max(wanted, group.min) + 1, others + 1);
  }
  const bool blocks = group.below_min == TooFewCopies::kBlock && group.min > 0;
  if (blocks && group.min == others && !group.after_failover) {
    return fmt::format(
        "with {} data regions and min {}, the loss of one region leaves too few "
        "copies. Say what happens then: after_failover block (no loss, but no "
        "writes until the region is back) or degrade (writes go on with fewer "
        "copies); or add a region",
        others + 1, group.min);
  }
  return std::nullopt;
}

Problem consistency_problem(const FailoverGroup& group) {
  if (group.consistency == Consistency::kCausal || group.consistency == Consistency::kEventual) {
    return "consistency causal and eventual belong to mode multi-active; choose strong or prefix";
  }
  if (group.consistency == Consistency::kStrong && group.copies == 0) {
    return "consistency strong needs a copy of every acknowledged record in another region, but "
           "copies is 0. Raise copies to 1, or choose consistency prefix";
  }
  return std::nullopt;
}

Problem numbers_problem(const FailoverGroup& group) {
  if (group.max_lag_records) {
    return "a limit in records cannot be kept yet. Set max_lag_ms instead";
  }
  if (group.max_lag_time && group.copies != 0) {
    return "max_lag bounds the loss of asynchronous groups; with copies of 1 or more nothing that "
           "was acknowledged is behind. Leave it out, or set copies to 0";
  }
  if (group.max_lag_time && *group.max_lag_time < Duration::milliseconds(1)) {
    return "max_lag must be at least 1 millisecond";
  }
  if (group.timeout < Duration::milliseconds(100) || group.timeout > Duration::seconds(3'600)) {
    return "timeout must be between 100 milliseconds and 1 hour";
  }
  if (group.priority < 0) return "priority must be 0 or more";
  return std::nullopt;
}

Problem topics_problem(const FailoverGroup& group) {
  if (group.topics.size() > kTopicPatternsMax) {
    return fmt::format("topics lists {} patterns; at most {} are allowed", group.topics.size(),
                       kTopicPatternsMax);
  }
  for (const std::string& pattern : group.topics) {
    if (const auto problem = topic_pattern_problem(pattern)) {
      return fmt::format(
          "topics has the pattern '{}', which no topic can match: {}. A star stands "
          "for any characters",
          pattern, *problem);
    }
  }
  return std::nullopt;
}

}  // namespace

FailoverGroup default_group() {
  FailoverGroup group = *preset("standard");
  group.name = kDefaultGroup;
  return group;
}

FailoverGroup system_group() {
  FailoverGroup group = *preset("standard");
  group.name = kSystemGroup;
  group.priority = 0;
  return group;
}

std::optional<FailoverGroup> preset(std::string_view name) {
  FailoverGroup group;
  if (name == "standard") return group;
  if (name == "critical") {
    group.below_min = TooFewCopies::kBlock;
    group.priority = 10;
    return group;
  }
  if (name == "bulk") {
    group.copies = 0;
    group.min = 0;
    group.consistency = Consistency::kPrefix;
    group.priority = 1'000;
    return group;
  }
  return std::nullopt;
}

std::vector<std::string> regions_of(const FailoverGroup& group, const Regions& regions) {
  if (!group.regions.empty()) return group.regions;
  std::vector<std::string> names;
  for (const auto& [name, region] : regions) {
    if (region.role == RegionRole::kData) names.push_back(name);
  }
  return names;
}

int32_t wanted_copies(const FailoverGroup& group, const Regions& regions) {
  const auto others = std::max(0, static_cast<int32_t>(regions_of(group, regions).size()) - 1);
  // A group that blocks waits for its copies, also for those of regions that are yet to come.
  const int32_t least = group.below_min == TooFewCopies::kBlock ? group.min : 0;
  if (group.copies == kAllCopies) return std::max(others, least);
  return group.regions.empty() ? std::max(std::min(group.copies, others), least) : group.copies;
}

std::optional<std::string> group_problem(const FailoverGroup& group, const Regions& regions) {
  if (auto problem = label_problem(group.name)) {
    return fmt::format("the group's name {}", *problem);
  }
  if (auto problem = not_offered(group)) return problem;
  if (auto problem = regions_problem(group, regions)) return problem;
  if (auto problem = consistency_problem(group)) return problem;
  if (auto problem = copies_problem(group, regions)) return problem;
  if (auto problem = topics_problem(group)) return problem;
  return numbers_problem(group);
}

std::optional<std::string> label_problem(std::string_view label) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (label.empty() || label.size() > kLabelBytesMax) {
    return fmt::format("must have 1 to {} characters", kLabelBytesMax);
  }
  if (!alphanumeric(label.front())) return "must begin with a letter or a digit";
  for (const char c : label) {
    if (!alphanumeric(c) && c != '.' && c != '_' && c != '-') {
      return "may contain only ASCII letters and digits, '.', '_' and '-'";
    }
  }
  return std::nullopt;
}

}  // namespace magpie::control
