// What `magpie switchover` and `magpie failover` have in common: asking for an operation, and
// following it to its end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/admin_options.h"

namespace CLI {
class App;
}

namespace magpie::server {

struct MoveOptions {
  AdminOptions admin;
  std::vector<std::string> groups;
  std::string from;
  std::string to;
  bool allow_loss = false;
  std::vector<std::string> overrides;
  std::string by;
  bool dry_run = false;
  bool wait = true;
  bool await_approval = false;
  std::string limit = "5m";  // how long it is followed
};

// Adds what both commands take.
void add_move_options(CLI::App& command, MoveOptions& options);

// Asks for an operation of that kind. The exit code is kExitOk only if it is done, or, without
// waiting, begun.
int run_move(const MoveOptions& options, const std::string& kind);

// Follows an operation until it is over, and shows what happens as it happens.
int follow_operation(const AdminOptions& admin, const std::string& id, Duration limit);

// Who the person at the terminal is, for the record.
std::string person();

}  // namespace magpie::server
