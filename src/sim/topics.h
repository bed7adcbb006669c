// The topics of a run and what is known of their partitions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/uuid.h"
#include "sim/knobs.h"
#include "sim/ledger.h"
#include "sim/scene.h"

namespace magpie::sim {

struct SimTopic {
  std::string name;
  int32_t partitions = 1;
  std::map<std::string, std::string> configs;
  bool compacted = false;
  bool may_trim = false;
  Duration tombstone_age;  // of a compacted one
  Uuid id;                 // zero until the topic was created
};

class Topics {
 public:
  Topics(Scene& scene, const Knobs& knobs);

  std::vector<SimTopic>& list() { return list_; }
  const SimTopic& find(const std::string& name) const;
  const SimTopic& find(const Uuid& id) const;
  Ledger& ledger(const std::string& topic, int32_t partition);
  void saw_leader(const std::string& topic, int32_t partition, int32_t epoch, int32_t node);
  // Power was lost at a time when that may take records.
  void power_lost();
  bool lost_power() const { return lost_power_; }
  // Who hears of every acknowledgement.
  using Hear = std::function<void(const std::string& topic, int32_t partition, int64_t offset,
                                  uint32_t crc)>;
  void set_acknowledged(const Hear& hear);
  // All partitions, in order.
  std::map<std::pair<std::string, int32_t>, std::unique_ptr<Ledger>>& ledgers() { return ledgers_; }

 private:
  void add(SimTopic topic);

  Scene& scene_;
  std::vector<SimTopic> list_;
  bool lost_power_ = false;
  std::map<std::pair<std::string, int32_t>, std::unique_ptr<Ledger>> ledgers_;
};

}  // namespace magpie::sim
