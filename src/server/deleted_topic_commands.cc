#include "server/deleted_topic_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/config_text.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kTarget = "/v1/deleted-topics";
// How long a restore waits until the topic's failover groups are led with it, and how often it
// looks.
constexpr std::chrono::seconds kRestoreLimit{60};
constexpr std::chrono::milliseconds kLookInterval{200};

struct Options {
  AdminOptions admin;
  std::string topic;
  bool all = false;
};

std::string show_deleted(const json& answer) {
  std::vector<TableRow> rows;
  std::string problems;
  for (const json& topic : answer.at("deleted_topics")) {
    const bool restoring = topic.at("restoring").get<bool>();
    rows.push_back(
        {cell_text(topic.at("name")), cell_text(topic.at("partitions")),
         cell_text(topic.at("bytes")), cell_text(topic.at("id")),
         time_text(topic.at("deleted_at_ms").get<int64_t>()),
         restoring ? "is being restored" : time_text(topic.at("kept_until_ms").get<int64_t>())});
    if (topic.at("problem").is_null()) continue;
    problems += fmt::format("the last restore of {} failed: {}\n", cell_text(topic.at("id")),
                            cell_text(topic.at("problem")));
  }
  if (rows.empty()) return "no deleted topics are kept\n";
  return render_table({"TOPIC", "PARTITIONS", "BYTES", "ID", "DELETED", "KEPT UNTIL"}, rows) +
         problems;
}

std::string target_of(const std::string& topic) {
  return fmt::format("{}/{}", kTarget, percent_encode(topic));
}

CommandError restore_failed(const json& kept) {
  return {"restore_failed",
          fmt::format("topic '{}' is deleted again: {}", cell_text(kept.at("name")),
                      cell_text(kept.at("problem"))),
          fmt::format("correct that, or switch the failover group over to another region, then: "
                      "magpie topic restore {}",
                      cell_text(kept.at("id"))),
          kExitUsage};
}

// Until the groups of the topic are led with it. An error: it was given back, or goes on.
tl::expected<json, CommandError> wait_until_led(const AdminRequest& request, json restored) {
  const auto end = Clock::now() + kRestoreLimit;
  while (true) {
    const auto listed = ask_node(request);
    if (!listed) return tl::unexpected<CommandError>(listed.error());
    const json* entry = nullptr;
    for (const json& topic : listed->at("deleted_topics")) {
      if (topic.at("id") == restored.at("id")) entry = &topic;
    }
    if (entry == nullptr) {
      restored["restoring"] = false;
      return restored;
    }
    if (!entry->at("restoring").get<bool>()) {
      return tl::unexpected<CommandError>(restore_failed(*entry));
    }
    if (Clock::now() >= end) {
      return tl::unexpected<CommandError>(CommandError{
          "not_over",
          fmt::format("topic '{}' is restored, but its failover group is not led with it yet",
                      cell_text(restored.at("name"))),
          "look at the group with: magpie failover-group list, and at its leader's log",
          kExitNotStarted});
    }
    std::this_thread::sleep_for(kLookInterval);
  }
}

CommandError no_topic(const char* what) {
  return {"wrong_argument", what, "list those that are kept with: magpie topic list --deleted",
          kExitUsage};
}

int restore(const Options& options) {
  if (options.topic.empty()) return report(options.admin, no_topic("name a deleted topic"));
  const auto timeout = parse_duration(options.admin.timeout);
  if (!timeout) {
    return report(options.admin, {"wrong_argument", "--timeout: " + timeout.error().message,
                                  "write a duration such as 30s or 5m", kExitUsage});
  }
  AdminRequest request{options.admin.address, "POST", target_of(options.topic) + "/restore", "",
                       *timeout};
  auto answer = ask_node(request);
  if (!answer) return report(options.admin, answer.error());
  // The library throws if the answer lacks what a node's answer has; this is the boundary.
  try {
    if (answer->at("restoring").get<bool>()) {
      request.method = "GET";
      request.target = kTarget;
      answer = wait_until_led(request, *answer);
    }
    if (!answer) return report(options.admin, answer.error());
    if (options.admin.wants_json()) {
      fmt::print("{}\n", answer->dump(2));
    } else {
      fmt::print("restored topic {} with its records and the positions of consumer groups\n",
                 cell_text(answer->at("name")));
    }
    return kExitOk;
  } catch (const json::exception&) {
    return report(options.admin, not_a_node(options.admin.address));
  }
}

std::string show_purged(const json& purged) {
  return fmt::format("purged deleted topic {} with id {}\n", cell_text(purged.at("name")),
                     cell_text(purged.at("id")));
}

int purge(const Options& options) {
  if (options.all != options.topic.empty()) {
    return report(options.admin, no_topic("name a deleted topic, or say --all"));
  }
  if (!options.all) {
    return ask_and_show(options.admin, "DELETE", target_of(options.topic), "", show_purged);
  }
  return ask_and_show(options.admin, "DELETE", kTarget, "", [](const json& answer) {
    std::string text;
    for (const json& purged : answer.at("purged")) text += show_purged(purged);
    return text.empty() ? std::string("no deleted topics are kept\n") : text;
  });
}

}  // namespace

int list_deleted_topics(const AdminOptions& admin) {
  return ask_and_show(admin, "GET", kTarget, "", show_deleted);
}

void add_deleted_topic_commands(CLI::App& topic_command, Action* chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* back = topic_command.add_subcommand("restore", "Bring a deleted topic back");
  add_admin_options(*back, options->admin);
  back->add_option("TOPIC", options->topic, "The topic's name, or its id")->required();
  back->callback([chosen, options] { *chosen = [options] { return restore(*options); }; });
  CLI::App* away =
      topic_command.add_subcommand("purge", "Remove a deleted topic's records for good");
  add_admin_options(*away, options->admin);
  away->add_option("TOPIC", options->topic, "The topic's name, or its id");
  away->add_flag("--all", options->all, "All deleted topics");
  away->callback([chosen, options] { *chosen = [options] { return purge(*options); }; });
}

}  // namespace magpie::server
