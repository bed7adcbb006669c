#include "admin/routes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "admin/deleted_topics.h"
#include "admin/describe.h"
#include "admin/exposure.h"
#include "admin/failover_groups.h"
#include "admin/metrics.h"
#include "admin/operations.h"
#include "admin/region_changes.h"
#include "admin/regions.h"
#include "admin/response.h"
#include "admin/store_copy.h"
#include "admin/target.h"
#include "admin/topic_changes.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

// One request under way; `name` is what stood at NAME.
struct Call {
  kafka::Broker& broker;
  const NodeView& view;
  const port::HttpRequestReceived& request;
  std::string name;

  void answer(port::HttpRespond response) const { broker.effects.add(std::move(response)); }
  void answer(int status, const json& body) const {
    answer(json_response(request.exchange, status, body));
  }
  void refuse(const Problem& problem) const { answer(problem_response(request.exchange, problem)); }
};

// Alive means: this code runs. Whoever restarts processes by it must not do so because a disk is
// full.
void health(const Call& call) {
  call.answer(200, {{"status", "alive"}});
}

// Ready means: clients should be sent here. The reasons name everything that is wrong.
void readiness(const Call& call) {
  const json status = describe_status(call.broker, call.view);
  const bool ready = call.view.serving && status["problems"].empty();
  call.answer(ready ? 200 : 503,
              {{"ready", ready}, {"phase", call.view.phase}, {"problems", status["problems"]}});
}

void metrics(const Call& call) {
  call.answer({call.request.exchange, 200, "text/plain; version=0.0.4",
               render_metrics(call.broker, call.view)});
}

void status(const Call& call) {
  call.answer(200, describe_status(call.broker, call.view));
}

void topics(const Call& call) {
  call.answer(200, list_topics(call.broker));
}

void partitions(const Call& call) {
  call.answer(200, list_partitions(call.broker));
}

void groups(const Call& call) {
  call.answer(200, list_groups(call.view));
}

void one_topic(const Call& call) {
  const control::Topic* topic = call.broker.control.state().find_topic(call.name);
  if (topic == nullptr) return call.refuse(no_such_topic(call.name));
  call.answer(200, describe_topic(call.broker, *topic));
}

void one_group(const Call& call) {
  const json group = describe_group(call.broker, call.view, call.name);
  if (group.is_null()) return call.refuse(no_such_group(call.name));
  call.answer(200, group);
}

void create(const Call& call) {
  create_topic(call.broker, call.request.exchange, call.request.body);
}

void alter(const Call& call) {
  alter_topic(call.broker, call.request.exchange, call.name, call.request.body);
}

void remove(const Call& call) {
  delete_topic(call.broker, call.request.exchange, call.name, call.request.body);
}

void deleted(const Call& call) {
  call.answer(200, list_deleted_topics(call.broker.control.state()));
}

void restore(const Call& call) {
  restore_topic(call.broker, call.request.exchange, call.name);
}

void purge(const Call& call) {
  purge_topic(call.broker, call.request.exchange, call.name);
}

void purge_all(const Call& call) {
  purge_topics(call.broker, call.request.exchange);
}

void regions(const Call& call) {
  call.answer(200, list_regions(call.broker));
}

void take_out(const Call& call) {
  remove_region(call.broker, call.request.exchange, call.name, call.request.body, call.view.lease);
}

void take_in(const Call& call) {
  readmit_region(call.broker, call.request.exchange, call.name, call.view.lease);
}

void nodes(const Call& call) {
  call.answer(200, list_nodes(call.broker));
}

void failover_groups(const Call& call) {
  call.answer(200, list_failover_groups(call.broker.control.state()));
}

void one_failover_group(const Call& call) {
  const json group =
      describe_failover_group(call.broker.control.state(), call.name,
                              call.view.regions ? call.view.regions() : RegionsStatus());
  if (group.is_null()) return call.refuse(no_such_failover_group(call.name));
  call.answer(200, group);
}

void exposure(const Call& call) {
  const json history =
      describe_exposure(call.broker.control.state(), call.name, call.broker.now.wall);
  if (history.is_null()) return call.refuse(no_such_failover_group(call.name));
  call.answer(200, history);
}

void create_failover(const Call& call) {
  create_failover_group(call.broker, call.request.exchange, call.request.body);
}

void alter_failover(const Call& call) {
  alter_failover_group(call.broker, call.request.exchange, call.name, call.request.body);
}

void remove_failover(const Call& call) {
  delete_failover_group(call.broker, call.request.exchange, call.name);
}

void deleted_failover_groups(const Call& call) {
  call.answer(200, list_deleted_groups(call.broker.control.state(), call.broker.now.wall));
}

void restore_failover(const Call& call) {
  restore_failover_group(call.broker, call.request.exchange, call.name);
}

void place(const Call& call) {
  place_partitions(call.broker, call.request.exchange, call.name, call.request.body);
}

void operations(const Call& call) {
  call.answer(200, list_operations(call.broker.control.state()));
}

void one_operation(const Call& call) {
  const json operation = describe_operation(call.broker.control.state(), call.name);
  if (operation.is_null()) return call.refuse(no_such_operation(call.name));
  call.answer(200, operation);
}

void certificates(const Call& call) {
  const json listed = list_certificates(call.broker, call.view, call.name);
  if (listed.is_null()) return call.refuse(no_such_operation(call.name));
  call.answer(200, listed);
}

void begin(const Call& call) {
  begin_operation(call.broker, call.view, call.request.exchange, call.request.body);
}

void abandon(const Call& call) {
  abandon_operation(call.broker, call.request.exchange, call.name, call.request.body);
}

void approve(const Call& call) {
  approve_operation(call.broker, call.request.exchange, call.name, call.request.body);
}

void store(const Call& call) {
  if (!call.view.store) return call.refuse(single_node());
  call.answer(200, describe_store(call.broker, call.view));
}

void store_copy(const Call& call) {
  if (!call.view.store) return call.refuse(single_node());
  call.answer(200, describe_store_copy(call.broker, call.view));
}

struct Route {
  const char* method;
  const char* path;
  void (*handle)(const Call&);
};

constexpr Route kRoutes[] = {
    {"GET", "/healthz", health},
    {"GET", "/readyz", readiness},
    {"GET", "/metrics", metrics},
    {"GET", "/v1/status", status},
    {"GET", "/v1/topics", topics},
    {"GET", "/v1/topics/NAME", one_topic},
    {"POST", "/v1/topics", create},
    {"PATCH", "/v1/topics/NAME", alter},
    {"DELETE", "/v1/topics/NAME", remove},
    {"GET", "/v1/deleted-topics", deleted},
    {"POST", "/v1/deleted-topics/NAME/restore", restore},
    {"DELETE", "/v1/deleted-topics", purge_all},
    {"DELETE", "/v1/deleted-topics/NAME", purge},
    {"GET", "/v1/partitions", partitions},
    {"GET", "/v1/groups", groups},
    {"GET", "/v1/groups/NAME", one_group},
    {"GET", "/v1/regions", regions},
    {"POST", "/v1/regions/NAME/remove", take_out},
    {"POST", "/v1/regions/NAME/readmit", take_in},
    {"GET", "/v1/nodes", nodes},
    {"GET", "/v1/failover-groups", failover_groups},
    {"GET", "/v1/failover-groups/NAME", one_failover_group},
    {"GET", "/v1/failover-groups/NAME/exposure", exposure},
    {"POST", "/v1/failover-groups", create_failover},
    {"PATCH", "/v1/failover-groups/NAME", alter_failover},
    {"DELETE", "/v1/failover-groups/NAME", remove_failover},
    {"POST", "/v1/failover-groups/NAME/partitions", place},
    {"GET", "/v1/deleted-failover-groups", deleted_failover_groups},
    {"POST", "/v1/deleted-failover-groups/NAME/restore", restore_failover},
    {"GET", "/v1/store", store},
    {"GET", "/v1/store/copy", store_copy},
    {"GET", "/v1/operations", operations},
    {"GET", "/v1/operations/NAME", one_operation},
    {"GET", "/v1/operations/NAME/certificates", certificates},
    {"POST", "/v1/operations", begin},
    {"POST", "/v1/operations/NAME/abandon", abandon},
    {"POST", "/v1/operations/NAME/approve", approve},
};

Problem not_offered(const port::HttpRequestReceived& request, const std::string& offered) {
  if (offered.empty()) {
    return {404, "no_such_route", fmt::format("{} is not offered", request.target),
            "docs/operations/admin-api.md lists all routes"};
  }
  return {405, "method_not_allowed",
          fmt::format("{} {} is not offered", request.method, request.target),
          "this path takes " + offered};
}

}  // namespace

std::vector<std::string> list_routes() {
  std::vector<std::string> routes;
  for (const Route& route : kRoutes)
    routes.push_back(fmt::format("{} {}", route.method, route.path));
  return routes;
}

void serve(kafka::Broker& broker, const NodeView& view, const port::HttpRequestReceived& request) {
  const Target target = Target::parse(request.target);
  // The driver leaves the body of an answer to HEAD out.
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  Call call{broker, view, request, ""};
  std::string offered;
  for (const Route& route : kRoutes) {
    std::optional<std::string> name = target.match(route.path);
    if (!name) continue;
    if (method == route.method) {
      call.name = std::move(*name);
      return route.handle(call);
    }
    offered += (offered.empty() ? "" : ", ") + std::string(route.method);
  }
  call.refuse(not_offered(request, offered));
}

}  // namespace magpie::admin
