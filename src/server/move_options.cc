#include "server/move_options.h"

#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "server/config_text.h"
#include "server/operation_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kLookInterval = std::chrono::milliseconds(200);

CommandError wrong_duration(const char* option, const std::string& problem) {
  return {"wrong_argument", fmt::format("{}: {}", option, problem),
          "write a duration such as 30s or 5m", kExitUsage};
}

json body_of(const MoveOptions& options, const std::string& kind) {
  json body = {{"kind", kind}, {"requested_by", options.by.empty() ? person() : options.by}};
  if (!options.groups.empty()) body["groups"] = options.groups;
  if (!options.from.empty()) body["from"] = options.from;
  if (!options.to.empty()) body["to"] = options.to;
  if (!options.overrides.empty()) body["overrides"] = options.overrides;
  if (options.allow_loss) body["allow_loss"] = true;
  if (options.await_approval) body["await_approval"] = true;
  if (options.dry_run) body["dry_run"] = true;
  return body;
}

// How an operation that is over ended.
int show_end(const AdminOptions& admin, const json& operation) {
  if (admin.wants_json()) {
    fmt::print("{}\n", operation.dump(2));
  } else {
    for (const json& group : operation.at("groups")) {
      const json& loss = group.at("loss");
      if (loss.is_null()) continue;
      fmt::print("{}: loss {}\n", cell_text(group.at("group")),
                 loss_text(cell_text(loss.at("statement")), loss));
    }
  }
  const std::string step = cell_text(operation.at("step"));
  if (step == "done") return kExitOk;
  std::string why;
  for (const json& group : operation.at("groups")) {
    if (group.at("step") == "done") continue;
    why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", cell_text(group.at("group")),
                       cell_text(group.at("error")));
  }
  return report(admin, {"operation_" + step,
                        fmt::format("operation {} {}: {}", cell_text(operation.at("id")),
                                    step == "failed" ? "failed" : "was abandoned", why),
                        "groups that have not moved are led as before; look with: magpie operation "
                        "show " +
                            cell_text(operation.at("id")),
                        kExitUsage});
}

bool wait_for_approval(const json& operation) {
  return operation.at("step") == "awaiting-approval";
}

std::string names_text(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// The regions that lead something (of `groups`, if any are given).
std::vector<std::string> leading_regions(const json& regions,
                                         const std::vector<std::string>& groups) {
  std::vector<std::string> names;
  for (const json& region : regions) {
    const json& leads = region.at("leads");
    const bool any = groups.empty()
                         ? !leads.empty()
                         : std::any_of(groups.begin(), groups.end(), [&](const std::string& group) {
                             return std::find(leads.begin(), leads.end(), group) != leads.end();
                           });
    if (any) names.push_back(cell_text(region.at("name")));
  }
  return names;
}

// The regions that could lead instead of those.
std::vector<std::string> other_regions(const json& regions, const std::vector<std::string>& left) {
  std::vector<std::string> names;
  for (const json& region : regions) {
    const std::string name = cell_text(region.at("name"));
    if (region.at("role") != "data" || region.at("state") != "member") continue;
    if (region.at("alive").empty() || std::find(left.begin(), left.end(), name) != left.end()) {
      continue;
    }
    names.push_back(name);
  }
  return names;
}

// Nothing is changed by a dry run, so the only region that can be meant need not be named.
std::optional<CommandError> choose_regions(MoveOptions& options, const std::string& kind,
                                           const json& regions) {
  const auto ambiguous = [](const char* what, const std::vector<std::string>& names) {
    return CommandError{"wrong_argument", fmt::format("{}; there are: {}", what, names_text(names)),
                        "name one; list the regions with: magpie region list", kExitUsage};
  };
  std::vector<std::string> left = {options.from};
  if (options.from.empty()) left = leading_regions(regions, options.groups);
  if (options.groups.empty() && options.from.empty()) {
    if (left.size() != 1) return ambiguous("it is not clear which region is to be left", left);
    options.from = left.front();
  }
  if (kind != "switchover" || !options.to.empty()) return std::nullopt;
  const std::vector<std::string> others = other_regions(regions, left);
  if (others.size() != 1) return ambiguous("it is not clear which region is to lead", others);
  options.to = others.front();
  return std::nullopt;
}

// Returns the exit code if the regions that were not named cannot be found out.
std::optional<int> fill_in(MoveOptions& options, const std::string& kind, Duration timeout) {
  const bool named = !options.groups.empty() || !options.from.empty();
  if (named && (kind != "switchover" || !options.to.empty())) return std::nullopt;
  const auto answer = ask_node({options.admin.address, "GET", "/v1/regions", "", timeout});
  if (!answer) return report(options.admin, answer.error());
  // The library throws if the answer lacks what a node's answer has; this is the boundary.
  try {
    const auto problem = choose_regions(options, kind, answer->at("regions"));
    if (problem) return report(options.admin, *problem);
  } catch (const json::exception&) {
    return report(options.admin, not_a_node(options.admin.address));
  }
  return std::nullopt;
}

}  // namespace

std::string person() {
  const char* user = getenv("USER");
  return user == nullptr || *user == '\0' ? "the command line" : user;
}

void add_move_options(CLI::App& command, MoveOptions& options) {
  add_admin_options(command, options.admin);
  command.add_option("--to", options.to, "The region that is to lead");
  command.add_option("--override", options.overrides, "A safety rule to set aside, by its name");
  command.add_option("--by", options.by, "Who asks, for the record");
  command.add_flag("--dry-run", options.dry_run, "Only say what would happen and be lost");
  command.add_flag("--wait,!--no-wait", options.wait, "Follow it to its end (the default)");
  command.add_flag("--await-approval", options.await_approval, "Do nothing until: magpie approve");
  command.add_option("--limit", options.limit, "How long it is followed")->capture_default_str();
}

int follow_operation(const AdminOptions& admin, const std::string& id, Duration limit) {
  const Result<Duration> timeout = parse_duration(admin.timeout);
  if (!timeout) return report(admin, wrong_duration("--timeout", timeout.error().message));
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.nanos);
  json before;
  while (true) {
    const auto now =
        ask_node({admin.address, "GET", "/v1/operations/" + percent_encode(id), "", *timeout});
    const bool late = Clock::now() >= end;
    if (!now && (now.error().exit_code != kExitNotStarted || late)) {
      return report(admin, now.error());
    }
    // The library throws if the answer lacks what a node's answer has; this is the boundary.
    try {
      if (now) {
        if (!admin.wants_json()) fmt::print("{}", show_progress(before, *now));
        fflush(stdout);
        if (now->at("over").get<bool>()) return show_end(admin, *now);
        if (wait_for_approval(*now)) {
          if (admin.wants_json()) fmt::print("{}\n", now->dump(2));
          if (!admin.wants_json()) fmt::print("approve it with: magpie approve {}\n", id);
          return kExitOk;
        }
        before = *now;
      }
    } catch (const json::exception&) {
      return report(admin, not_a_node(admin.address));
    }
    if (late) {
      return report(admin, {"not_over", fmt::format("operation {} goes on", id),
                            fmt::format("look with: magpie operation show {0}, or end it with: "
                                        "magpie operation abandon {0}",
                                        id),
                            kExitNotStarted});
    }
    std::this_thread::sleep_for(kLookInterval);
  }
}

int run_move(const MoveOptions& options, const std::string& kind) {
  const AdminOptions& admin = options.admin;
  const Result<Duration> timeout = parse_duration(admin.timeout);
  if (!timeout) return report(admin, wrong_duration("--timeout", timeout.error().message));
  const Result<Duration> limit = parse_duration(options.limit);
  if (!limit) return report(admin, wrong_duration("--limit", limit.error().message));
  const auto text_of = [&](const MoveOptions& asked) {
    return body_of(asked, kind).dump(-1, ' ', false, json::error_handler_t::replace);
  };
  if (options.dry_run) {
    MoveOptions whole = options;
    if (const auto exit_code = fill_in(whole, kind, *timeout)) return *exit_code;
    return ask_and_show(admin, "POST", "/v1/operations", text_of(whole), show_preview);
  }
  const std::string body = text_of(options);
  if (!options.wait) {
    return ask_and_show(admin, "POST", "/v1/operations", body, [](const json& operation) {
      return fmt::format("operation {0} has begun; follow it with: magpie operation wait {0}\n",
                         cell_text(operation.at("id")));
    });
  }
  const auto begun = ask_node({admin.address, "POST", "/v1/operations", body, *timeout});
  if (!begun) return report(admin, begun.error());
  if (!begun->contains("id")) return report(admin, not_a_node(admin.address));
  const std::string id = cell_text((*begun)["id"]);
  if (!admin.wants_json()) fmt::print("operation {}\n", id);
  return follow_operation(admin, id, *limit);
}

}  // namespace magpie::server
