// Whoever may take over without loss holds everything that was acknowledged.
//
// A loss shows only when a node that lacks records does take over, which is rare. Here the control
// store's word is taken: at every acknowledgement, and whenever the store names others, each node
// that it calls promotable, and the leader, must hold on its disk what clients were told is stored.
// So a sync set that is changed too early is noticed when it is changed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "control/leadership.h"
#include "control/state.h"
#include "sim/cluster.h"
#include "sim/log_watch.h"
#include "sim/scene.h"
#include "sim/topics.h"

namespace magpie::sim {

class PromotableWatch {
 public:
  // Whether the directory of this incarnation is gone.
  using IsLost = std::function<bool(const Uuid&)>;

  PromotableWatch(Scene& scene, Cluster& cluster, Topics& topics, const LogWatch& logs,
                  IsLost is_lost)
      : scene_(scene),
        cluster_(cluster),
        topics_(topics),
        logs_(logs),
        is_lost_(std::move(is_lost)) {}

  // A client was told that the record is stored; `term` is the newest of its group.
  void acknowledged(const std::string& topic, int32_t partition, const Ledger::Kept& record,
                    const control::Leadership& term);
  // The store names others, or another epoch.
  void changed(const std::string& group, const control::Leadership& term);

 private:
  // Whether the member is a directory that is there.
  bool is_there(const control::State& state, const control::Member& member) const;
  void lacks(const control::Member& member, const std::string& partition, int64_t offset,
             const control::Leadership& term, const char* when);

  Scene& scene_;
  Cluster& cluster_;
  Topics& topics_;
  const LogWatch& logs_;
  IsLost is_lost_;
};

}  // namespace magpie::sim
