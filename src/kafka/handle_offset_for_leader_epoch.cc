// OffsetForLeaderEpoch (key 23): where an epoch ended, so that a client can tell whether what it
// read is still there after a change of leadership (KIP-320).
#include "kafka/epoch_ends.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "kafka/serving.h"
#include "wire/offset_for_leader_epoch.h"

namespace magpie::kafka {

void handle(Broker& broker, const Request& request, wire::OffsetForLeaderEpochRequest body) {
  wire::OffsetForLeaderEpochResponse response;
  for (const auto& topic : body.topics) {
    auto& answered = response.topics.emplace_back();
    answered.topic = topic.topic;
    for (const auto& asked : topic.partitions) {
      auto& answer = answered.partitions.emplace_back();
      answer.partition = asked.partition;
      const AskedPartition named{topic.topic, PartitionIndex{asked.partition},
                                 asked.current_leader_epoch};
      const HostedPartition* hosted = find_hosted(broker, named);
      answer.error_code = leader_error(broker, named, hosted);
      if (answer.error_code != wire::ErrorCode::kNone) continue;
      const auto end = end_of_epoch(*hosted->partition, LeaderEpoch{asked.leader_epoch});
      answer.leader_epoch = end.epoch.value;
      answer.end_offset = end.end.value;
    }
  }
  reply(broker, request, response);
}

}  // namespace magpie::kafka
