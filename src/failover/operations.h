// Carrying out switchovers and failovers.
//
// The problem: an operation takes minutes at worst, must not stop because the node that carries it
// out was lost, and at no point may two nodes do different things for it. The idea: all that is
// known of it is the record in the cluster's state (control/operation.h). This machine looks at the
// records, does for those that this node executes what comes next, each time one transaction that
// compares the record, and takes over those whose executor has lost its lease. What it keeps in
// memory (answers of other nodes) can be asked again.
//
// Guarantees: a leadership is moved only by decisions of control/ in the transaction that also
// writes the record; a step that was taken is not taken again; what an operation waits for stands
// in its record.
//
// What it does not do: it begins no operation (the admin port does), knows no connection and no
// clock, and moves no records.
//
// What a node does with it:
// - It makes one when it has a control store and its identity is known, for itself as a member.
// - step() with Look after every Applied of the controller, and at next_deadline().
// - Each Proposal goes to controller.propose() under a ticket of the node's own, and its Settled
//   comes back as ProposalSettled with the ticket that is here. Tickets here count from 1.
// - Each Question goes to the node that it names, through a link or to the node's own votes and
//   copies; the answer comes back as Answered, and Unreachable if there is none: nobody can be
//   connected to, or the link ends first. After question_timeout it is not waited for any more.
// - Log lines go to the log.
// - A Preview goes to whoever asked for it under its token (the admin port: answer_preview()).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "control/cluster_controller.h"
#include "control/member.h"
#include "control/operation.h"
#include "control/refusal.h"
#include "control/state.h"
#include "failover/preview.h"
#include "failover/question.h"
#include "port/effect.h"

namespace magpie::failover {

struct Config {
  // How long a switchover may wait before it has begun, and how long writes may stand still.
  Duration plan_timeout = Duration::seconds(60);
  Duration drain_timeout = Duration::seconds(30);
  // How long nodes are asked what they hold before the choice is made among those that answered,
  // and how long when nothing is chosen by it any more. Who is known to be gone is not waited for.
  Duration inspect_patience = Duration::seconds(3);
  // What they said is asked again after this long: a leader may have been back and be lost again
  // while this node could not see it, which takes as long as a lease.
  Duration answers_last = Duration::seconds(10);
  Duration verify_patience = Duration::seconds(1);
  Duration question_timeout = Duration::seconds(3);
  // How long what contradicts a loss of 0 must stay before it is believed.
  Duration verify_timeout = Duration::seconds(10);
  Duration preview_patience = Duration::seconds(2);
  Duration retry_interval = Duration::milliseconds(300);
  // How often is looked again without an event.
  Duration poll_interval = Duration::milliseconds(200);
  // What a step waits for is written down when it has waited this long.
  Duration note_delay = Duration::milliseconds(500);
  // Records that a switchover's target may lack when writes are stopped.
  int64_t switchover_lag_max = 10'000;
};

// --- events -------------------------------------------------------------------------------------

// The state may have changed, or time has passed.
struct Look {};
struct Answered {
  uint64_t ticket = 0;
  Answer answer;
};
struct ProposalSettled {
  uint64_t ticket = 0;
  std::optional<control::Refusal> refusal;
};
using Event = std::variant<Look, Answered, ProposalSettled>;

struct Proposal {
  uint64_t ticket = 0;
  control::ClusterController::Decide decide;
};

struct Output {
  std::vector<Proposal> proposals;
  std::vector<Question> questions;
  std::vector<port::LogLine> lines;
  std::vector<Preview> previews;
};

class GroupRun;
class StepBatch;

class Operations {
 public:
  explicit Operations(const control::Member& self, const Config& config = {});
  ~Operations();
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // `state` is the controller's, at least as new as at the last call.
  void step(const Now& now, const control::State& state, const Event& event, Output& out);
  Instant next_deadline() const { return asked_previews_.empty() ? deadline_ : Instant{}; }

  // Finds out what an operation would do and cost; the next steps put it into their output. Limit:
  // previews at once; beyond it false, and nothing is asked.
  bool preview(uint64_t token, control::OperationRequest request);

 private:
  using RunKey = std::pair<control::OperationId, std::string>;

  void look(const Now& now, const control::State& state, Output& out);
  bool look_at_previews(const Now& now, const control::State& state, Output& out);
  void settle(const Now& now, const ProposalSettled& settled);
  void send_steps(Output& out);
  void take_over(const Now& now, const control::State& state, const control::Operation& operation,
                 Output& out);

  const control::Member self_;
  const Config config_;
  uint64_t next_ticket_ = 1;
  // Of the operations that this node carries out.
  std::map<RunKey, std::unique_ptr<GroupRun>> runs_;
  // Proposals to take operations over, and when one that was refused is made again.
  std::map<uint64_t, control::OperationId> taking_over_;
  std::map<control::OperationId, Instant> take_over_again_;
  // Steps that wait until those before them in the same operation are settled, and what is under
  // way.
  struct UnderWay {
    control::OperationId operation = 0;
    std::shared_ptr<StepBatch> batch;
  };
  std::map<control::OperationId, std::vector<Proposal>> steps_;
  std::map<uint64_t, UnderWay> under_way_;  // by ticket
  static constexpr size_t kPreviewsMax = 16;
  std::vector<PreviewRun> asked_previews_;  // and not begun
  std::vector<PreviewRun> previews_;
  Instant deadline_ = Instant::never();
};

}  // namespace magpie::failover
