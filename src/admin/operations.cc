#include "admin/operations.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "admin/operation_json.h"
#include "admin/regions.h"
#include "admin/response.h"
#include "control/decide_operations.h"
#include "control/keys.h"
#include "failover/operations.h"
#include "kafka/cluster_control.h"
#include "kafka/group_requests.h"

namespace magpie::admin {
namespace {

using control::Operation;
using nlohmann::json;

void refuse(kafka::Broker& broker, port::HttpExchangeId exchange, const Problem& problem) {
  broker.effects.add(problem_response(exchange, problem));
}

const Operation* find(const control::State& state, const std::string& number) {
  control::OperationId id = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
  if (error != std::errc() || end != number.data() + number.size()) return nullptr;
  const auto found = state.operations().find(id);
  return found == state.operations().end() ? nullptr : &found->second;
}

Problem refused_by(const control::Objection& objection) {
  if (objection.rule.empty()) {
    return {409, "not_possible", objection.message,
            "correct the request, or what stands in its way; docs/operations/failover.md says what "
            "an operation needs"};
  }
  return {409, "safety_rule", objection.message,
          fmt::format("if you know better, override the rule by its name: --override {}",
                      objection.rule)};
}

// Commits a decision about operations and answers with the operation as it is then.
template <typename Decide>
void commit(kafka::Broker& broker, port::HttpExchangeId exchange, int status, Decide decide) {
  kafka::propose<Operation>(
      broker, std::move(decide),
      [exchange, status](kafka::Broker& late,
                         const tl::expected<Operation, control::Refusal>& decided) {
        if (!decided) return refuse(late, exchange, problem_of(decided.error()));
        late.effects.add(
            json_response(exchange, status, operation_json(late.control.state(), *decided)));
      });
}

template <typename Decide>
void change(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& number,
            const std::string& body, Decide decide) {
  const auto by = read_by(body);
  if (!by) return refuse(broker, exchange, malformed_body(by.error().message));
  const Operation* operation = find(broker.control.state(), number);
  if (operation == nullptr) return refuse(broker, exchange, no_such_operation(number));
  commit(broker, exchange, 200,
         [decide, id = operation->id, by = *by, wall = broker.now.wall](
             const control::State& state) { return decide(state, id, by, wall); });
}

void preview(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange,
             const control::OperationRequest& request) {
  const bool taken =
      view.operations != nullptr && view.operations->preview(exchange.value, request);
  if (taken) return;
  refuse(broker, exchange,
         {503, "unavailable", "too many are asking, or the node is not ready",
          "wait until /readyz answers 200 and try again"});
}

}  // namespace

json list_operations(const control::State& state) {
  json operations = json::array();
  for (auto at = state.operations().rbegin(); at != state.operations().rend(); ++at) {
    operations.push_back(operation_json(state, at->second));
  }
  return {{"operations", std::move(operations)}};
}

json describe_operation(const control::State& state, const std::string& number) {
  const Operation* operation = find(state, number);
  return operation == nullptr ? json(nullptr) : operation_json(state, *operation);
}

json list_certificates(const kafka::Broker& broker, const NodeView& view,
                       const std::string& number) {
  const control::State& state = broker.control.state();
  const Operation* operation = find(state, number);
  if (operation == nullptr) return nullptr;
  json certificates = json::array();
  const std::string prefix = control::certificates_prefix(operation->id);
  for (auto at = state.entries().lower_bound(prefix);
       at != state.entries().end() && at->first.starts_with(prefix); ++at) {
    json certificate = json::parse(at->second.value, nullptr, false);
    if (!certificate.is_object()) continue;  // written by a newer program
    certificate["cluster"] = broker.config.cluster_id;
    // Signed is the object in one line with its fields in alphabetical order, as dump() writes it.
    constexpr auto kReplace = json::error_handler_t::replace;
    const std::string text = certificate.dump(-1, ' ', false, kReplace);
    json signature = view.sign ? json(view.sign(text)) : json(nullptr);
    certificates.push_back(
        {{"certificate", json::parse(text)}, {"signature", std::move(signature)}});
  }
  return {{"certificates", std::move(certificates)}};
}

void begin_operation(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange,
                     const std::string& body) {
  const auto read = read_operation(body);
  if (!read) return refuse(broker, exchange, malformed_body(read.error().message));
  const control::State& state = broker.control.state();
  if (is_alone(state)) return refuse(broker, exchange, single_node());
  if (read->dry_run) return preview(broker, view, exchange, read->request);
  const auto plan = control::plan_operation(state, read->request, broker.now.wall);
  if (const auto* objection = control::standing_objection(plan, read->request)) {
    return refuse(broker, exchange, refused_by(*objection));
  }
  const NodeId self = broker.config.node_id;
  commit(broker, exchange, 201,
         [request = read->request, self,
          wall = broker.now.wall](const control::State& at) -> control::Decided<Operation> {
           const control::Node* node = at.find_node(self);
           if (node == nullptr) {
             return control::refuse(control::RefusalCode::kUnavailable,
                                    "this node is not registered in the control store yet");
           }
           return control::decide_begin_operation(at, request, {self, node->incarnation}, wall);
         });
}

void abandon_operation(kafka::Broker& broker, port::HttpExchangeId exchange,
                       const std::string& number, const std::string& body) {
  change(broker, exchange, number, body, control::decide_abandon_operation);
}

void approve_operation(kafka::Broker& broker, port::HttpExchangeId exchange,
                       const std::string& number, const std::string& body) {
  change(broker, exchange, number, body, control::decide_approve_operation);
}

void answer_preview(kafka::Broker& broker, const failover::Preview& preview) {
  broker.effects.add(
      json_response(port::HttpExchangeId{preview.token}, 200,
                    preview_json(broker.control.state(), broker.groups.coordinator(), preview)));
}

}  // namespace magpie::admin
