#include "node/operation_runner.h"

#include <utility>
#include <variant>

#include "admin/operations.h"
#include "base/check.h"
#include "kafka/cluster_control.h"

namespace magpie::node {
namespace {

// Answers that come later than this are looked for by nobody.
constexpr Duration kForgetAfter = Duration::seconds(60);

}  // namespace

void OperationRunner::start(const control::Member& self) {
  CHECK(operations_ == nullptr);
  self_ = self.node;
  operations_ = std::make_unique<failover::Operations>(self);
  state_changed();
}

void OperationRunner::answered(NodeId node, const link::Message& answer) {
  const auto number_of = [](const auto& message) -> int64_t {
    if constexpr (requires { message.number; }) return message.number;
    return -1;
  };
  const int64_t number = std::visit(number_of, answer);
  const auto found = asked_.find(number);
  if (found != asked_.end() && found->second.node == node) take(number, answer);
}

void OperationRunner::take(int64_t number, const link::Message& answer) {
  const auto found = asked_.find(number);
  if (found == asked_.end()) return;
  const uint64_t ticket = found->second.ticket;
  asked_.erase(found);
  failover::Answer taken = failover::Unreachable{};
  if (const auto* accepted = std::get_if<wire::LinkAcceptAnswer>(&answer)) taken = *accepted;
  if (const auto* inspected = std::get_if<wire::LinkInspectAnswer>(&answer)) taken = *inspected;
  inbox_.emplace_back(failover::Answered{ticket, std::move(taken)});
}

void OperationRunner::peer_lost(NodeId node) {
  for (auto next = asked_.begin(); next != asked_.end();) {
    const auto one = next++;
    if (one->second.node != node) continue;
    inbox_.emplace_back(failover::Answered{one->second.ticket, failover::Unreachable{}});
    asked_.erase(one);
  }
}

bool OperationRunner::settle(kafka::Broker& broker) {
  if (std::exchange(must_look_, false)) inbox_.emplace_back(failover::Look{});
  if (operations_ == nullptr || inbox_.empty()) return false;
  for (const failover::Event& event : std::exchange(inbox_, {})) {
    failover::Output out;
    operations_->step(broker.now, state_, event, out);
    carry_out(broker, out);
    if (operations_ == nullptr) return true;
  }
  return true;
}

void OperationRunner::carry_out(kafka::Broker& broker, failover::Output& out) {
  for (port::LogLine& line : out.lines) broker.effects.add(std::move(line));
  for (failover::Proposal& proposal : out.proposals) {
    broker.control.propose(broker, std::move(proposal.decide),
                           [this, ticket = proposal.ticket](
                               kafka::Broker&, const std::optional<control::Refusal>& refusal) {
                             inbox_.emplace_back(failover::ProposalSettled{ticket, refusal});
                           });
  }
  for (failover::Question& question : out.questions) ask(broker, question);
  for (const failover::Preview& preview : out.previews) admin::answer_preview(broker, preview);
}

void OperationRunner::ask(kafka::Broker& broker, failover::Question& question) {
  const int64_t number = next_number_++;
  NodeId node = question.node;
  if (node.value < 0) {
    for (const auto& [id, known] : state_.nodes()) {
      if (known.region == question.region) node = id;
    }
  }
  const link::Message message = std::visit(
      [&](auto ask) -> link::Message {
        ask.number = number;
        return ask;
      },
      question.ask);
  asked_[number] = {question.ticket, node, broker.now.instant};
  if (node == self_) {
    votes_.answer(broker, message, [this, number](const link::Message& answer, port::Effects&) {
      take(number, answer);
    });
  } else if (!links_.ask(node, message, broker.effects)) {
    asked_.erase(number);
    inbox_.emplace_back(failover::Answered{question.ticket, failover::Unreachable{}});
  }
}

void OperationRunner::tick(const Now& now) {
  if (operations_ == nullptr) return;
  std::erase_if(asked_,
                [&](const auto& entry) { return entry.second.at + kForgetAfter < now.instant; });
  if (operations_->next_deadline() <= now.instant) state_changed();
}

Instant OperationRunner::next_deadline() const {
  if (operations_ == nullptr) return Instant::never();
  return inbox_.empty() && !must_look_ ? operations_->next_deadline() : Instant{};
}

}  // namespace magpie::node
