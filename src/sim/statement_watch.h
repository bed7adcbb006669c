// What operations say of the records they have cost, against what they have cost (G11).
//
// The statement is written by the transaction that moves a group, and may be contradicted later,
// but never by less: a loss of 0 is said only of a term that was opened without loss, of which the
// ledgers excuse nothing; what is said to be the most is the most.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "control/leadership.h"
#include "control/operation.h"
#include "sim/scene.h"
#include "sim/topics.h"
#include "store/image.h"

namespace magpie::sim {

class StatementWatch {
 public:
  StatementWatch(Scene& scene, Topics& topics) : scene_(scene), topics_(topics) {}

  // A revision became durable in the store of the cluster whose keys begin with `prefix`.
  void changed(const std::string& prefix, const store::ImageChanges& changes);
  // A group has this term.
  void term(const std::string& group, const control::Leadership& term);
  // After everything was read.
  void check();

 private:
  struct Statement {
    control::OperationId operation = 0;
    std::string group;
    control::Loss loss;
  };

  void said(const control::Operation& operation, const control::OperationGroup& group);
  void check_bounds(int32_t epoch, const Statement& statement);

  Scene& scene_;
  Topics& topics_;
  std::map<int32_t, Statement> statements_;  // by the epoch that began
  std::map<int32_t, bool> with_loss_;        // epochs
};

}  // namespace magpie::sim
