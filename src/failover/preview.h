// What an operation would do and cost, found out by asking and without doing any of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "base/uuid.h"
#include "control/operation_plan.h"
#include "failover/holdings.h"
#include "failover/question.h"

namespace magpie::failover {

// What is measured of the node that would lead, and of the one that does; nothing where it did not
// say.
struct Capacity {
  std::optional<int64_t> disk_free_bytes;
  std::optional<int64_t> group_bytes;
  std::optional<int64_t> leader_group_bytes;
  std::optional<int64_t> connections;
  std::optional<int64_t> leader_connections;
  std::optional<int64_t> connections_max;
  // How long its disk lasts if the group is written to as it was of late.
  std::optional<Duration> disk_lasts;
  // What may not fit, as sentences.
  std::vector<std::string> warnings;
};

struct GroupPreview {
  control::PlannedGroup planned;  // with the target that asking has shown
  // The statement as it would be now; only the transaction that moves the group makes it final.
  control::LossKind loss = control::LossKind::kUnknown;
  LossRange range;
  std::optional<Duration> time_max;
  // Records that the leader holds and the target does not; nothing if either did not answer.
  std::optional<int64_t> target_lag;
  std::vector<NodeId> silent;  // asked in vain
  Capacity capacity;
  // Where the target's copies end: what consumers have committed beyond it would be set back.
  std::map<std::pair<Uuid, int32_t>, Offset> ends;
};

struct Preview {
  uint64_t token = 0;
  control::OperationPlan plan;
  std::vector<GroupPreview> groups;
  std::vector<std::string> overrides;  // rules that are set aside; their objections stay in `plan`
};

// One of them under way.
class PreviewRun {
 public:
  PreviewRun(uint64_t token, control::OperationRequest request);

  // Plans, and asks everybody who may hold something.
  void start(const Now& now, const control::State& state, uint64_t& next_ticket,
             std::vector<Question>& questions);
  bool take_answer(uint64_t ticket, const Answer& answer);
  // Everybody has answered, or has been waited for long enough.
  bool done(Instant now, Duration patience) const;
  // A switchover's target that lacks more records is objected to.
  Preview result(const control::State& state, int64_t lag_max) const;

 private:
  struct Asked {
    std::string group;
    NodeId node;
  };

  uint64_t token_;
  control::OperationRequest request_;
  control::OperationPlan plan_;
  Instant started_;
  std::map<uint64_t, Asked> asked_;  // and not answered
  std::vector<Asked> silent_;        // who could not be asked
  std::map<std::string, Holdings> holdings_;
};

// What asking the two has shown of whether `target` can lead the group.
Capacity capacity_of(const Holdings& holdings, NodeId leader, NodeId target);

// Records in which `target` is behind `leader`.
int64_t lag_between(const wire::LinkInspectAnswer& leader, const wire::LinkInspectAnswer& target);

}  // namespace magpie::failover
