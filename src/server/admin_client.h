// Asking a node's admin port, for the commands that inspect and change a running cluster.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>

#include "base/result.h"
#include "base/time.h"

namespace magpie::server {

// One request to the admin port.
struct AdminRequest {
  std::string address;  // HOST:PORT
  std::string method;
  std::string target;
  std::string body;
  Duration timeout = Duration::seconds(30);
};

// Why a command did not do what was asked, in the form all commands show it. Codes are stable:
// those of the node are listed in docs/operations/admin-api.md, those of the command line itself in
// docs/operations/commands.md.
struct CommandError {
  std::string code;
  std::string message;
  std::string next_step;
  int exit_code = 1;
};

// Sends the request and returns the node's answer as JSON.
tl::expected<nlohmann::json, CommandError> ask_node(const AdminRequest& request);

// What is wrong with an answer that is not in the shape a node gives it.
CommandError not_a_node(const std::string& address);

// A path part with everything but unreserved characters coded (RFC 3986, section 2.3).
std::string percent_encode(const std::string& text);

}  // namespace magpie::server
