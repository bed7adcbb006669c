#include "admin/response.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"

namespace magpie::admin {

port::HttpRespond json_response(port::HttpExchangeId exchange, int status,
                                const nlohmann::json& body) {
  // Names from clients may hold bytes that are no text; they must not make the answer fail.
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return {exchange, status, "application/json", body.dump(2, ' ', false, kReplace) + "\n"};
}

port::HttpRespond problem_response(port::HttpExchangeId exchange, const Problem& problem) {
  return json_response(
      exchange, problem.status,
      {{"error",
        {{"code", problem.code}, {"message", problem.message}, {"next_step", problem.next_step}}}});
}

Problem problem_of(const control::Refusal& refusal) {
  using control::RefusalCode;
  const std::string code = control::to_string(refusal.code);
  switch (refusal.code) {
    case RefusalCode::kUnknownTopicOrPartition:
    case RefusalCode::kUnknownTopicId:
      return {404, "topic_not_found", refusal.message, "list the topics with: magpie topic list"};
    case RefusalCode::kTopicAlreadyExists:
      return {409, code, refusal.message, "choose another name, or alter the existing topic"};
    case RefusalCode::kThrottled:
      return {429, code, refusal.message, "try again in a moment"};
    case RefusalCode::kUnavailable:
      return {503, code, refusal.message, "wait until /readyz answers 200 and try again"};
    case RefusalCode::kStorage:
      return {503, code, refusal.message,
              "look at the node's log and its disk; whether the change was stored shows after the "
              "next start"};
    default:
      return {400, code, refusal.message, "correct the request and try again"};
  }
}

Problem no_such_topic(const std::string& topic) {
  return {404, "topic_not_found", fmt::format("there is no topic '{}'", topic),
          "list the topics with: magpie topic list"};
}

Problem no_such_group(const std::string& group) {
  return {404, "group_not_found", fmt::format("there is no consumer group '{}'", group),
          "list the groups with: magpie group list"};
}

Problem no_such_failover_group(const std::string& group) {
  return {404, "failover_group_not_found", fmt::format("there is no failover group '{}'", group),
          "list the groups with: magpie failover-group list"};
}

Problem single_node() {
  return {409, "single_node",
          "this node has no control store: it is alone, and there is no region to fail over to",
          "join the node to a cluster, as docs/operations/configuration.md shows, or ask a node of "
          "one with --admin HOST:PORT"};
}

Problem no_such_operation(const std::string& number) {
  return {404, "operation_not_found", fmt::format("there is no operation '{}'", number),
          "list the operations with: magpie operation list"};
}

Problem malformed_body(const std::string& detail) {
  return {400, "malformed_body", detail,
          "send a JSON object as docs/operations/admin-api.md shows"};
}

}  // namespace magpie::admin
