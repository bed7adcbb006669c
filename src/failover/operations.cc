#include "failover/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "control/decide_operations.h"
#include "failover/group_run.h"
#include "failover/step_batch.h"

namespace magpie::failover {

Operations::Operations(const control::Member& self, const Config& config)
    : self_(self), config_(config) {}

Operations::~Operations() = default;

void Operations::step(const Now& now, const control::State& state, const Event& event,
                      Output& out) {
  if (const auto* answered = std::get_if<Answered>(&event)) {
    for (auto& [key, run] : runs_) {
      if (run->take_answer(now, *answered, config_)) break;
    }
    for (PreviewRun& run : previews_) {
      if (run.take_answer(answered->ticket, answered->answer)) break;
    }
  } else if (const auto* settled = std::get_if<ProposalSettled>(&event)) {
    const auto taking = taking_over_.find(settled->ticket);
    if (taking != taking_over_.end()) {
      if (settled->refusal) take_over_again_[taking->second] = now.instant + config_.retry_interval;
      taking_over_.erase(taking);
    }
    settle(now, *settled);
  }
  look(now, state, out);
}

void Operations::settle(const Now& now, const ProposalSettled& settled) {
  const auto ended = under_way_.extract(settled.ticket);
  if (ended.empty()) return;
  for (const ProposalSettled& step : ended.mapped().batch->settled(settled.refusal)) {
    for (auto& [key, run] : runs_) {
      if (run->take_settled(now, step, config_)) break;
    }
  }
}

// All groups of an operation stand in one record: what one of them does while another's step is
// under way would have to be decided again.
void Operations::send_steps(Output& out) {
  for (auto& [id, steps] : steps_) {
    const bool busy =
        std::any_of(under_way_.begin(), under_way_.end(),
                    [id = id](const auto& each) { return each.second.operation == id; });
    if (busy || steps.empty()) continue;
    const auto count = static_cast<ptrdiff_t>(std::min(steps.size(), kBatchSteps));
    std::vector<Proposal> taken(std::make_move_iterator(steps.begin()),
                                std::make_move_iterator(steps.begin() + count));
    steps.erase(steps.begin(), steps.begin() + count);
    auto batch = std::make_shared<StepBatch>(std::move(taken));
    const uint64_t ticket = next_ticket_++;
    out.proposals.push_back(
        {ticket, [batch](const control::State& state) { return batch->decide(state); }});
    under_way_[ticket] = {id, std::move(batch)};
  }
  std::erase_if(steps_, [](const auto& entry) { return entry.second.empty(); });
}

bool Operations::preview(uint64_t token, control::OperationRequest request) {
  if (asked_previews_.size() + previews_.size() >= kPreviewsMax) return false;
  asked_previews_.emplace_back(token, std::move(request));
  return true;
}

// True if some are under way.
bool Operations::look_at_previews(const Now& now, const control::State& state, Output& out) {
  for (PreviewRun& run : asked_previews_) {
    run.start(now, state, next_ticket_, out.questions);
    previews_.push_back(std::move(run));
  }
  asked_previews_.clear();
  std::erase_if(previews_, [&](const PreviewRun& run) {
    const bool done = run.done(now.instant, config_.preview_patience);
    if (done) out.previews.push_back(run.result(state, config_.switchover_lag_max));
    return done;
  });
  return !previews_.empty();
}

void Operations::take_over(const Now& now, const control::State& state,
                           const control::Operation& operation, Output& out) {
  const control::Member& executor = operation.executor;
  if (state.alive(executor.node) == executor.incarnation) return;
  if (state.alive(self_.node) != self_.incarnation) return;
  const bool under_way = std::any_of(taking_over_.begin(), taking_over_.end(),
                                     [&](const auto& each) { return each.second == operation.id; });
  const auto again = take_over_again_.find(operation.id);
  if (under_way || (again != take_over_again_.end() && now.instant < again->second)) return;
  const uint64_t ticket = next_ticket_++;
  taking_over_[ticket] = operation.id;
  out.lines.push_back({port::Severity::kWarning, "failover.taking_over",
                       fmt::format("operation {}: node {}, which carried it out, holds no lease; "
                                   "going on here",
                                   operation.id, executor.node.value)});
  out.proposals.push_back(
      {ticket,
       [id = operation.id, self = self_, wall = now.wall](
           const control::State& at) -> tl::expected<control::Transaction, control::Refusal> {
         auto decided = control::decide_take_over_operation(at, id, self, wall);
         if (!decided) return tl::unexpected(std::move(decided.error()));
         return std::move(decided->transaction);
       }});
}

void Operations::look(const Now& now, const control::State& state, Output& out) {
  bool busy = look_at_previews(now, state, out);
  for (const auto& [id, operation] : state.operations()) {
    const bool over = control::is_over(operation);
    const bool here = operation.executor == self_;
    if (!over && !here) take_over(now, state, operation, out);
    busy = busy || (!over && (here || take_over_again_.contains(id)));
    for (const control::OperationGroup& record : operation.groups) {
      const RunKey key{id, record.group};
      auto found = runs_.find(key);
      // One that is over is looked at once more, so that its end is logged.
      if (!here || (found == runs_.end() && control::is_over(record.step))) continue;
      if (found == runs_.end()) found = runs_.emplace(key, std::make_unique<GroupRun>()).first;
      found->second->advance(
          {now, state, operation, record, self_, config_, next_ticket_, out, steps_[id]});
    }
  }
  send_steps(out);
  std::erase_if(runs_, [&](const auto& entry) {
    if (entry.second->is_proposing()) return false;
    const auto operation = state.operations().find(entry.first.first);
    if (operation == state.operations().end() || operation->second.executor != self_) return true;
    const auto* record = control::find_group(operation->second, entry.first.second);
    return record == nullptr || control::is_over(record->step);
  });
  std::erase_if(take_over_again_, [&](const auto& entry) {
    const auto operation = state.operations().find(entry.first);
    return operation == state.operations().end() || control::is_over(operation->second);
  });
  deadline_ = busy ? now.instant + config_.poll_interval : Instant::never();
}

}  // namespace magpie::failover
