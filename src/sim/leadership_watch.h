// Looks at what the control store says of leadership, change by change.
//
// Epochs never repeat and never go back in the whole cluster; one epoch has one leader; a failover
// with loss is what excuses records that are gone, and nothing else does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/leadership.h"
#include "control/state.h"
#include "sim/cluster.h"
#include "sim/scene.h"
#include "sim/topics.h"
#include "store/image.h"

namespace magpie::sim {

class LeadershipWatch {
 public:
  LeadershipWatch(Scene& scene, Cluster& cluster, Topics& topics)
      : scene_(scene), cluster_(cluster), topics_(topics) {}

  // Who hears of every change of a term, after what it means for the ledgers is known.
  using Hear = std::function<void(const std::string& group, const control::Leadership& term)>;
  void set_hear(Hear hear) { hear_ = std::move(hear); }
  // A revision became durable in the store.
  void changed(const store::ImageChanges& changes);

  // The newest term of a group; one that does not exist if it was never led.
  const control::Leadership& term(const std::string& group) { return terms_[group]; }
  uint64_t losses() const { return losses_; }
  // A batch of the partition was written somewhere.
  void written(const std::string& topic, int32_t partition, int64_t last_offset);

 private:
  void reserved(const std::string& key, const std::string& value);
  void took(const std::string& group, const control::Leadership& term);
  void declare_loss(const std::string& group, const control::Leadership& term);

  Scene& scene_;
  Cluster& cluster_;
  Topics& topics_;
  // The highest ceilings ever reserved, by topic id.
  std::map<Uuid, std::vector<Offset>> ceilings_;
  std::map<std::string, control::Leadership> terms_;
  std::map<int32_t, std::pair<std::string, control::Member>> epochs_;
  uint64_t losses_ = 0;
  Hear hear_;
};

}  // namespace magpie::sim
