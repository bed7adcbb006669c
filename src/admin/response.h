// Building answers of the admin port.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/refusal.h"
#include "port/effect.h"

namespace magpie::admin {

// An error as the admin port and the command line show it.
struct Problem {
  int status = 500;       // HTTP
  std::string code;       // stable, for programs: "topic_not_found"
  std::string message;    // what is wrong
  std::string next_step;  // what to do about it
};

port::HttpRespond json_response(port::HttpExchangeId exchange, int status,
                                const nlohmann::json& body);
port::HttpRespond problem_response(port::HttpExchangeId exchange, const Problem& problem);

Problem problem_of(const control::Refusal& refusal);
Problem no_such_topic(const std::string& topic);
Problem no_such_group(const std::string& group);
Problem no_such_failover_group(const std::string& group);
Problem no_such_operation(const std::string& number);
// The node has no control store.
Problem single_node();
Problem malformed_body(const std::string& detail);

}  // namespace magpie::admin
