#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/admin_command.h"
#include "server/admin_options.h"
#include "server/config_text.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kLookInterval = std::chrono::milliseconds(300);

std::string list_text(const json& values) {
  std::string text;
  for (const json& value : values) text += (text.empty() ? "" : ", ") + cell_text(value);
  return text.empty() ? "-" : text;
}

std::string show_regions(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& region : answer.at("regions")) {
    rows.push_back({cell_text(region.at("name")), cell_text(region.at("role")),
                    cell_text(region.at("state")), list_text(region.at("nodes")),
                    list_text(region.at("alive")), list_text(region.at("leads"))});
  }
  const std::string table =
      render_table({"REGION", "ROLE", "STATE", "NODES", "ALIVE", "LEADS"}, rows);
  if (!answer.at("single_node").get<bool>()) return table;
  return table + "this node is alone: it has no control store, and there is no other region\n";
}

struct Options {
  AdminOptions admin;
  std::string region;
  bool dry_run = false;
  std::string limit = "5m";
};

std::string target_of(const Options& options, const char* action) {
  return fmt::format("/v1/regions/{}/{}", percent_encode(options.region), action);
}

std::string show_plan(const json& answer) {
  std::string text =
      "nothing was changed. Without region " + cell_text(answer.at("region")) + ":\n";
  for (const json& each : answer.at("consequences")) text += "  " + cell_text(each) + "\n";
  for (const json& each : answer.at("waits_for")) text += "waits for " + cell_text(each) + "\n";
  return text;
}

CommandError wrong_duration(const char* option, const std::string& text,
                            const std::string& problem) {
  return {"wrong_argument", fmt::format("{} '{}': {}", option, text, problem),
          "write a duration such as 30s or 5m", kExitUsage};
}

int still_leaving(const Options& options) {
  return report(options.admin,
                {"not_over", fmt::format("region {} is still leaving", options.region),
                 fmt::format("go on with: magpie region remove {0}, or keep it with: magpie region "
                             "readmit {0}",
                             options.region),
                 kExitNotStarted});
}

// Asks for one step after the other until the region is out.
int take_out(const Options& options, Duration timeout, Duration limit) {
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.nanos);
  std::string said;
  while (true) {
    const auto answer =
        ask_node({options.admin.address, "POST", target_of(options, "remove"), "", timeout});
    if (!answer) return report(options.admin, answer.error());
    // The library throws if the answer lacks what a node's answer has; this is the boundary.
    try {
      const bool over = answer->at("state") == "removed";
      if (over && options.admin.wants_json()) fmt::print("{}\n", answer->dump(2));
      if (over && !options.admin.wants_json()) {
        fmt::print("region {} is removed; what its disks hold stays there\n", options.region);
      }
      if (over) return kExitOk;
      std::string waits;
      for (const json& each : answer->at("waits_for")) {
        waits += fmt::format("waits for {}\n", cell_text(each));
      }
      if (!options.admin.wants_json() && waits != said) fmt::print("{}", waits);
      fflush(stdout);
      said = std::move(waits);
    } catch (const json::exception&) {
      return report(options.admin, not_a_node(options.admin.address));
    }
    if (Clock::now() >= end) return still_leaving(options);
    std::this_thread::sleep_for(kLookInterval);
  }
}

int remove(const Options& options) {
  if (options.dry_run) {
    return ask_and_show(options.admin, "POST", target_of(options, "remove"), R"({"dry_run":true})",
                        show_plan);
  }
  const Result<Duration> timeout = parse_duration(options.admin.timeout);
  if (!timeout) {
    return report(options.admin,
                  wrong_duration("--timeout", options.admin.timeout, timeout.error().message));
  }
  const Result<Duration> limit = parse_duration(options.limit);
  if (!limit) {
    return report(options.admin, wrong_duration("--limit", options.limit, limit.error().message));
  }
  return take_out(options, *timeout, *limit);
}

int readmit(const Options& options) {
  return ask_and_show(options.admin, "POST", target_of(options, "readmit"), "",
                      [](const json& answer) {
                        return fmt::format("region {} is one of the cluster again\n",
                                           cell_text(answer.at("region")));
                      });
}

}  // namespace

void add_region_command(CLI::App& app, Action* chosen) {
  CLI::App* command = app.add_subcommand("region", "List regions, take them out and in again");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add_admin_command(*command, "list", "List regions, their nodes, and what they lead", options,
                    chosen, [](const Options& asked) {
                      return ask_and_show(asked.admin, "GET", "/v1/regions", "", show_regions);
                    });
  CLI::App* out =
      add_admin_command(*command, "remove", "Take a region out of the cluster while it runs",
                        options, chosen, remove);
  out->add_flag("--dry-run", options->dry_run, "Only say what would be different without it");
  out->add_option("--limit", options->limit, "How long it is followed")->capture_default_str();
  CLI::App* in =
      add_admin_command(*command, "readmit", "Take a removed region in again, or stop its removal",
                        options, chosen, readmit);
  for (CLI::App* each : {out, in}) {
    each->add_option("REGION", options->region, "The region")->required();
  }
}

}  // namespace magpie::server
