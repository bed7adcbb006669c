// What all commands that ask a running node have in common.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/time.h"
#include "server/admin_client.h"
#include "server/command.h"

namespace CLI {
class App;
}

namespace magpie::server {

struct AdminOptions {
  std::string address = "127.0.0.1:9094";
  std::string format = "table";
  std::string timeout = "30s";

  bool wants_json() const { return format == "json"; }
};

// Adds --admin, --timeout and -o/--output.
void add_admin_options(CLI::App& command, AdminOptions& options);

// Asks, prints the answer as JSON if wanted, else hands it to `show`, which returns what a person
// wants to see. An error goes to standard error, also as JSON if wanted. Returns the exit code.
using Show = std::function<std::string(const nlohmann::json&)>;
int ask_and_show(const AdminOptions& options, const std::string& method, const std::string& target,
                 const std::string& body, const Show& show);

// Prints the error and returns its exit code.
int report(const AdminOptions& options, const CommandError& error);

// A value of an answer in a table or a sentence: text without quotes, "-" for null.
std::string cell_text(const nlohmann::json& value);

}  // namespace magpie::server
