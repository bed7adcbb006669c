#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "server/admin_command.h"
#include "server/config_text.h"
#include "server/move_options.h"
#include "server/operation_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions admin;
  std::string id;
  std::string by;
  std::string limit = "5m";
};

std::string target_of(const Options& options) {
  return "/v1/operations/" + percent_encode(options.id);
}

int change(const Options& options, const char* what) {
  const json body = {{"by", options.by.empty() ? person() : options.by}};
  return ask_and_show(options.admin, "POST", target_of(options) + "/" + what,
                      body.dump(-1, ' ', false, json::error_handler_t::replace), show_operation);
}

int wait(const Options& options) {
  const auto limit = parse_duration(options.limit);
  if (!limit) {
    return report(options.admin, {"wrong_argument", "--limit: " + limit.error().message,
                                  "write a duration such as 30s or 5m", kExitUsage});
  }
  return follow_operation(options.admin, options.id, *limit);
}

}  // namespace

void add_operation_command(CLI::App& app, Action* chosen) {
  CLI::App* command =
      app.add_subcommand("operation", "Look at switchovers and failovers; approve or abandon them");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add_admin_command(*command, "list", "List operations, the newest first", options, chosen,
                    [](const Options& asked) {
                      return ask_and_show(asked.admin, "GET", "/v1/operations", "",
                                          show_operations);
                    });
  CLI::App* show = add_admin_command(*command, "show", "Show an operation: groups, loss, timeline",
                                     options, chosen, [](const Options& asked) {
                                       return ask_and_show(asked.admin, "GET", target_of(asked), "",
                                                           show_operation);
                                     });
  CLI::App* follow =
      add_admin_command(*command, "wait", "Follow an operation to its end", options, chosen, wait);
  CLI::App* give_up =
      add_admin_command(*command, "abandon", "End it for all groups that have not moved", options,
                        chosen, [](const Options& asked) { return change(asked, "abandon"); });
  CLI::App* confirm =
      add_admin_command(*command, "approve", "Confirm an operation that waits for it", options,
                        chosen, [](const Options& asked) { return change(asked, "approve"); });
  CLI::App* proof = add_admin_command(
      *command, "certificates", "What its moves have proven, signed, as JSON", options, chosen,
      [](const Options& asked) {
        return ask_and_show(asked.admin, "GET", target_of(asked) + "/certificates", "",
                            [](const json& answer) { return answer.dump(2) + "\n"; });
      });
  // What waits for a person is the one thing that is urgent to them: it needs no second word.
  CLI::App* shortly =
      add_admin_command(app, "approve", "Confirm an operation that waits for it", options, chosen,
                        [](const Options& asked) { return change(asked, "approve"); });
  for (CLI::App* each : {show, follow, give_up, confirm, shortly, proof}) {
    each->add_option("OPERATION", options->id, "Its number")->required();
  }
  for (CLI::App* each : {give_up, confirm, shortly}) {
    each->add_option("--by", options->by, "Who says so, for the record");
  }
  follow->add_option("--limit", options->limit, "How long it is followed")->capture_default_str();
}

}  // namespace magpie::server
