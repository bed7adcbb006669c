#include "kafka/serving.h"

#include "kafka/cluster_control.h"
#include "kafka/errors.h"

namespace magpie::kafka {

using partition::Role;
using wire::ErrorCode;

namespace {

// From this version on a fetch names the consumer's rack, and may so be sent to a follower.
constexpr int kFirstVersionForFollowers = 11;

ErrorCode missing_error(const Broker& broker, const AskedPartition& asked) {
  const control::Topic* topic = broker.control.state().find_topic(asked.topic);
  return topic != nullptr && topic->has_partition(asked.index)
             ? ErrorCode::kNotLeaderOrFollower
             : ErrorCode::kUnknownTopicOrPartition;
}

// What keeps anybody from reading this copy.
ErrorCode copy_error(const Broker& broker, const AskedPartition& asked,
                     const HostedPartition* hosted) {
  if (hosted == nullptr) return missing_error(broker, asked);
  const partition::Partition& partition = *hosted->partition;
  if (!partition.is_readable()) return unavailable_error(*hosted);
  if (partition.role() == Role::kNone) return ErrorCode::kNotLeaderOrFollower;
  const int32_t ours = partition.leader_epoch().value;
  if (asked.leader_epoch < 0 || asked.leader_epoch == ours) return ErrorCode::kNone;
  return asked.leader_epoch < ours ? ErrorCode::kFencedLeaderEpoch : ErrorCode::kUnknownLeaderEpoch;
}

bool leads(const HostedPartition& hosted) {
  return hosted.partition->role() == Role::kLeader && !hosted.partition->holds_commits();
}

}  // namespace

HostedPartition* find_hosted(const Broker& broker, const AskedPartition& asked) {
  return broker.partitions.find(asked.topic, asked.index);
}

ErrorCode leader_error(const Broker& broker, const AskedPartition& asked,
                       const HostedPartition* hosted) {
  const ErrorCode error = copy_error(broker, asked, hosted);
  if (error != ErrorCode::kNone) return error;
  return leads(*hosted) ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

ErrorCode fetch_error(const Broker& broker, const Request& request, const AskedPartition& asked,
                      const HostedPartition* hosted) {
  const ErrorCode error = copy_error(broker, asked, hosted);
  if (error != ErrorCode::kNone || leads(*hosted)) return error;
  const bool serves = hosted->partition->is_reconciled() && !hosted->cut_off &&
                      request.version >= kFirstVersionForFollowers &&
                      has_follower_reads(broker, asked);
  return serves ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

bool knows_its_end(const HostedPartition& hosted) {
  return hosted.partition->high_watermark() >= hosted.partition->term_start();
}

bool has_follower_reads(const Broker& broker, const AskedPartition& asked) {
  const control::State& state = broker.control.state();
  const control::Topic* topic = state.find_topic(asked.topic);
  if (topic == nullptr) return false;
  const control::FailoverGroup* group = state.find_group(state.group_of(*topic, asked.index));
  return group != nullptr && group->consistency == control::Consistency::kPrefix;
}

}  // namespace magpie::kafka
