#include "admin/routes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "admin/describe.h"
#include "admin/metrics.h"
#include "admin/response.h"
#include "admin/target.h"
#include "admin/topic_changes.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

void answer(kafka::Broker& broker, port::HttpRespond response) {
  broker.effects.add(std::move(response));
}

// Alive means: this code runs. Whoever restarts processes by it must not do so because a disk is
// full.
void health(kafka::Broker& broker, port::HttpExchangeId exchange) {
  answer(broker, json_response(exchange, 200, {{"status", "alive"}}));
}

// Ready means: clients should be sent here. The reasons name everything that is wrong.
void readiness(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange) {
  const json status = describe_status(broker, view);
  const bool ready = view.serving && status["problems"].empty();
  answer(broker, json_response(
                     exchange, ready ? 200 : 503,
                     {{"ready", ready}, {"phase", view.phase}, {"problems", status["problems"]}}));
}

void get_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& name) {
  const control::Topic* topic = broker.control.state().find_topic(name);
  if (topic == nullptr) return answer(broker, problem_response(exchange, no_such_topic(name)));
  answer(broker, json_response(exchange, 200, describe_topic(broker, *topic)));
}

void get_group(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange,
               const std::string& name) {
  const json group = describe_group(broker, view, name);
  if (group.is_null()) return answer(broker, problem_response(exchange, no_such_group(name)));
  answer(broker, json_response(exchange, 200, group));
}

bool get(kafka::Broker& broker, const NodeView& view, port::HttpExchangeId exchange,
         const Target& target) {
  if (target.is({"healthz"})) return health(broker, exchange), true;
  if (target.is({"readyz"})) return readiness(broker, view, exchange), true;
  if (target.is({"metrics"})) {
    answer(broker, {exchange, 200, "text/plain; version=0.0.4", render_metrics(broker, view)});
    return true;
  }
  std::optional<json> body;
  if (target.is({"v1", "status"})) body = describe_status(broker, view);
  if (target.is({"v1", "topics"})) body = list_topics(broker);
  if (target.is({"v1", "partitions"})) body = list_partitions(broker);
  if (target.is({"v1", "groups"})) body = list_groups(view);
  if (body) return answer(broker, json_response(exchange, 200, *body)), true;
  if (const auto topic = target.below({"v1", "topics"})) {
    return get_topic(broker, exchange, *topic), true;
  }
  if (const auto group = target.below({"v1", "groups"})) {
    return get_group(broker, view, exchange, *group), true;
  }
  return false;
}

bool change(kafka::Broker& broker, const port::HttpRequestReceived& request, const Target& target) {
  if (request.method == "POST" && target.is({"v1", "topics"})) {
    return create_topic(broker, request.exchange, request.body), true;
  }
  const auto topic = target.below({"v1", "topics"});
  if (!topic) return false;
  if (request.method == "PATCH") {
    return alter_topic(broker, request.exchange, *topic, request.body), true;
  }
  if (request.method == "DELETE") return delete_topic(broker, request.exchange, *topic), true;
  return false;
}

}  // namespace

void serve(kafka::Broker& broker, const NodeView& view, const port::HttpRequestReceived& request) {
  const Target target = Target::parse(request.target);
  const bool served = request.method == "GET" ? get(broker, view, request.exchange, target)
                                              : change(broker, request, target);
  if (served) return;
  answer(broker,
         problem_response(request.exchange,
                          {404, "no_such_route",
                           fmt::format("{} {} is not offered", request.method, request.target),
                           "docs/operations/admin-api.md lists all routes"}));
}

}  // namespace magpie::admin
