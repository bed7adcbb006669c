#include "server/admin_options.h"

#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>

#include "server/config_text.h"
#include "server/table.h"

namespace magpie::server {

using nlohmann::json;

void add_admin_options(CLI::App& command, AdminOptions& options) {
  command.add_option("--admin", options.address, "Admin address of a node")->capture_default_str();
  command.add_option("--timeout", options.timeout, "How long to wait for the node")
      ->capture_default_str();
  command.add_option("-o,--output", options.format, "How to show the answer: table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

int report(const AdminOptions& options, const CommandError& error) {
  if (options.wants_json()) {
    const json shown = {
        {"error",
         {{"code", error.code}, {"message", error.message}, {"next_step", error.next_step}}}};
    fmt::print(stderr, "{}\n", shown.dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "error {}: {}\nnext: {}\n", printable(error.code), printable(error.message),
               printable(error.next_step));
  }
  return error.exit_code;
}

int ask_and_show(const AdminOptions& options, const std::string& method, const std::string& target,
                 const std::string& body, const Show& show) {
  const Result<Duration> timeout = parse_duration(options.timeout);
  if (!timeout) {
    return report(options, {"wrong_argument", "--timeout: " + timeout.error().message,
                            "write a duration such as 30s or 500ms", kExitUsage});
  }
  if (timeout->nanos < Duration::milliseconds(1).nanos) {
    return report(options, {"wrong_argument", "--timeout: must be at least 1ms",
                            "write a duration such as 30s or 500ms", kExitUsage});
  }
  const auto answer = ask_node({options.address, method, target, body, *timeout});
  if (!answer) return report(options, answer.error());
  if (options.wants_json()) {
    fmt::print("{}\n", answer->dump(2));
    return kExitOk;
  }
  // The library throws if the answer lacks what a node's answer has; this is the boundary.
  try {
    fmt::print("{}", show(*answer));
  } catch (const json::exception&) {
    return report(options, not_a_node(options.address));
  }
  return kExitOk;
}

std::string cell_text(const json& value) {
  if (value.is_null()) return "-";
  return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

}  // namespace magpie::server
