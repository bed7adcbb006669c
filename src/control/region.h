// The places and the nodes of a cluster, as they have announced themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/uuid.h"

namespace magpie::control {

enum class RegionRole {
  kData,     // holds records
  kWitness,  // holds none; observes and votes
};

struct Region {
  std::string name;
  RegionRole role = RegionRole::kData;

  bool operator==(const Region&) const = default;
};

struct Address {
  std::string host;
  uint16_t port = 0;

  bool operator==(const Address&) const = default;
};

// Where Kafka clients reach a node, under the name that their listener has.
struct KafkaListener {
  std::string name;
  Address address;

  bool operator==(const KafkaListener&) const = default;
};

// A node's disk, named by the first incarnation that its data directory had (identity.h). None: of
// a node that is alone, whose cluster state lies in the same directory.
struct DataDirectory {
  NodeId node{-1};
  std::optional<Uuid> incarnation = std::nullopt;
};

struct Node {
  NodeId id{-1};
  std::string region;
  Uuid incarnation;
  Address link;  // for other nodes
  std::vector<KafkaListener> listeners;
  std::string build;  // version of the program that it runs
  // Whose files it has, if it is not the first incarnation in its directory (identity.h).
  std::optional<Uuid> directory = std::nullopt;

  const Uuid& first_incarnation() const { return directory ? *directory : incarnation; }
  bool operator==(const Node&) const = default;
};

}  // namespace magpie::control
