// Asking a node's admin port, for the commands that inspect and change a running cluster.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace magpie::server {

// How an answer is shown.
enum class OutputFormat { kTable, kJson };

struct AdminAnswer {
  int status = 0;    // HTTP
  std::string body;  // as sent
};

// One request to HOST:PORT; waits at most `timeout`. kUnavailable if nobody answers there; the
// message says what to check.
Result<AdminAnswer> ask_admin(const std::string& address, const std::string& method,
                              const std::string& target, const std::string& body,
                              Duration timeout = Duration::seconds(30));

// The same, with the answer parsed. An error of the node is printed to stderr as
// "error CODE: message" with the next step below it, and so is a node that cannot be reached.
// Returns false then.
bool ask_and_report(const std::string& address, const std::string& method,
                    const std::string& target, const std::string& body, nlohmann::json& answer);

// A path part with everything but unreserved characters coded (RFC 3986, section 2.3).
std::string percent_encode(const std::string& text);

}  // namespace magpie::server
