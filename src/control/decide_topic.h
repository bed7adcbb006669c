// Decisions about topics: create, delete, add partitions.
//
// Each function looks at the state and returns a transaction with the answer to give once it is
// committed, or a refusal with Kafka's error. None changes anything. Rules follow Kafka 4's
// controller (KIP-4, KIP-195, KIP-464, KIP-516) where a client could tell the difference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/policy.h"
#include "control/refusal.h"
#include "control/state.h"
#include "control/topic.h"

namespace magpie::control {

// Replicas of one partition as a client asked for them: node ids, the preferred leader first.
struct ReplicaAssignment {
  int32_t partition = 0;
  std::vector<int32_t> nodes;
};

struct CreateTopic {
  std::string name;
  int32_t partitions = -1;          // -1: Policy::default_partitions (KIP-464)
  int16_t replication_factor = -1;  // -1 or at least 1. Copies are the failover group's policy
  std::vector<ReplicaAssignment> assignments;  // if given, the two above must be -1
  std::vector<WantedConfig> configs;
  bool validate_only = false;
  bool by_node = false;  // the node itself asks: it may create internal topics
};

struct TopicCreated {
  std::string name;
  Uuid id;  // zero if validate_only
  int32_t partitions = 0;
  int16_t replication_factor = 1;
  ConfigValues configs;
};

// `random` chooses the topic id; it is the only thing that the decision uses up.
Decided<TopicCreated> decide_create_topic(const State& state, const Policy& policy,
                                          const CreateTopic& request, Random& random);

// By name, or, if `id` is set, by id (DeleteTopics v6).
struct DeleteTopic {
  std::string name;
  std::optional<Uuid> id;
  // For how long it can be restored (deleted_topic.h); none: it goes at once.
  Duration keep{};
  WallTime now{};
  int64_t bytes = 0;  // of its records, as far as the asking node knows
};

struct TopicDeleted {
  std::string name;
  Uuid id;
};

Decided<TopicDeleted> decide_delete_topic(const State& state, const DeleteTopic& request);

struct CreatePartitions {
  std::string topic;
  int32_t count = 0;  // wanted in all, old ones included
  // Node ids for each new partition; absent: the cluster chooses.
  std::optional<std::vector<std::vector<int32_t>>> assignments;
  bool validate_only = false;
  bool by_node = false;
};

struct PartitionsCreated {
  std::string topic;
  int32_t count = 0;
};

Decided<PartitionsCreated> decide_create_partitions(const State& state, const Policy& policy,
                                                    const CreatePartitions& request);

}  // namespace magpie::control
