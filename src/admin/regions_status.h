// What this node knows of the failover groups it leads and of its links, beyond what stands in the
// cluster state: who is how far behind, and what would be lost with this region now.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace magpie::admin {

struct MemberStatus {
  NodeId node{-1};
  bool connected = false;
  // Records of the leader's logs that it does not hold; nothing if its copies are not compared yet.
  std::optional<int64_t> lag_records;
};

struct LedGroupStatus {
  std::string group;
  LeaderEpoch epoch = kNoLeaderEpoch;
  bool blocked = false;    // new writes are refused for want of copies, or while it drains
  bool may_commit = true;  // false: neither lease nor promises
  // How long something stored here has not been at any other member; if there is none, how long
  // this term has lasted while acknowledged records are here.
  Duration exposure;
  // Acknowledged records that no other member holds, and their bytes as estimated from the logs'
  // mean.
  int64_t exposed_records = 0;
  int64_t exposed_bytes = 0;
  // For how long in this term there have been fewer copies than the policy wants, and what was
  // acknowledged in that time; 0 while there are enough.
  Duration short_for;
  int64_t short_records = 0;
  int64_t short_bytes = 0;
  std::vector<MemberStatus> members;
};

struct LinkStatus {
  NodeId node{-1};
  bool up = false;
  // When last tried, it spoke no version of the link that this node speaks.
  bool incompatible = false;
  std::optional<Duration> round_trip;
  // To and from that node since the start, by failover group: of batches as they are stored, and of
  // the messages with them as they went over the link.
  std::map<std::string, uint64_t, std::less<>> sent_bytes;
  std::map<std::string, uint64_t, std::less<>> received_bytes;
  std::map<std::string, uint64_t, std::less<>> sent_wire_bytes;
  std::map<std::string, uint64_t, std::less<>> received_wire_bytes;
};

struct RegionsStatus {
  std::vector<LedGroupStatus> led;
  std::vector<LinkStatus> links;
  uint64_t records_kept = 0;    // in salvage, since the start
  uint64_t missed_offsets = 0;  // that copies here will never hold
};

}  // namespace magpie::admin
