// What all commands that ask a running node have in common.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "server/admin_client.h"
#include "server/command.h"

namespace magpie::server {

struct AdminOptions {
  std::string address = "127.0.0.1:9094";
  std::string format = "table";

  bool wants_json() const { return format == "json"; }
};

// Adds --admin and -o/--output.
inline void add_admin_options(CLI::App& command, AdminOptions& options) {
  command.add_option("--admin", options.address, "Admin address of a node")->capture_default_str();
  command.add_option("-o,--output", options.format, "How to show the answer: table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

// Asks, prints the answer as JSON if wanted, else hands it to `show`. Returns the exit code.
template <typename Show>
int ask_and_show(const AdminOptions& options, const std::string& method, const std::string& target,
                 const std::string& body, Show show) {
  nlohmann::json answer;
  if (!ask_and_report(options.address, method, target, body, answer)) return kExitUsage;
  if (options.wants_json()) {
    fmt::print("{}\n", answer.dump(2));
  } else {
    show(answer);
  }
  return kExitOk;
}

}  // namespace magpie::server
