#include "server/operation_text.h"

#include <fmt/format.h>

#include <vector>

#include "server/admin_options.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string joined(const json& values) {
  std::string text;
  for (const json& value : values) text += (text.empty() ? "" : ", ") + cell_text(value);
  return text.empty() ? "-" : text;
}

std::string node_text(const json& member) {
  if (member.is_null()) return "-";
  return fmt::format("{} ({})", cell_text(member.at("node")), cell_text(member.at("region")));
}

std::string groups_text(const json& operation) {
  json names = json::array();
  for (const json& group : operation.at("groups")) names.push_back(group.at("group"));
  return joined(names);
}

std::string event_text(const json& event) {
  const json& group = event.at("group");
  return fmt::format("{}  {}{}\n", time_text(event.at("at_ms").get<int64_t>()),
                     group.is_null() ? "" : cell_text(group) + ": ", cell_text(event.at("what")));
}

std::string group_lines(const json& group) {
  std::string text =
      fmt::format("{}: {}", cell_text(group.at("group")), cell_text(group.at("step")));
  if (!group.at("new_leader").is_null()) {
    text += fmt::format(", node {} leads in epoch {} after node {} in epoch {}",
                        node_text(group.at("new_leader")), cell_text(group.at("new_epoch")),
                        node_text(group.at("old_leader")), cell_text(group.at("old_epoch")));
  }
  text += "\n";
  if (const json& loss = group.at("loss"); !loss.is_null()) {
    text +=
        fmt::format("  loss {}\n  because {}\n", loss_text(cell_text(loss.at("statement")), loss),
                    cell_text(loss.at("basis")));
  }
  if (!group.at("waiting_for").is_null()) {
    text += fmt::format("  waits for {}\n", cell_text(group.at("waiting_for")));
  }
  if (!group.at("error").is_null()) text += fmt::format("  {}\n", cell_text(group.at("error")));
  return text;
}

std::string bytes_text(const json& bytes) {
  if (!bytes.is_number()) return "?";
  auto value = bytes.get<double>();
  for (const char* unit : {"B", "KiB", "MiB", "GiB"}) {
    if (value < 1'024) return fmt::format("{:.3g} {}", value, unit);
    value /= 1'024;
  }
  return fmt::format("{:.4g} TiB", value);
}

// What a move would mean for consumer groups and for the node that is to lead.
std::string preview_lines(const json& preview, const json& group) {
  const std::string name = cell_text(group.at("group"));
  std::string text;
  const json consumers = group.value("consumer_groups", json());
  const bool unknown = group.contains("consumer_groups") && consumers.is_null();
  if (unknown && group.at("estimate") != "zero-proven") {
    text += fmt::format(
        "{}: consumer groups that would be set back are not known here; ask node {}, which has "
        "their positions\n",
        name, cell_text(preview.value("consumer_groups_at", json())));
  }
  for (const json& back : consumers.is_null() ? json::array() : consumers.at("set_back")) {
    text += fmt::format("{}: consumer group {} would be set back in {} partitions, {} records\n",
                        name, cell_text(back.at("group")), cell_text(back.at("positions")),
                        cell_text(back.at("records")));
  }
  if (!consumers.is_null() && consumers.at("omitted") != 0) {
    text +=
        fmt::format("{}: and {} consumer groups more\n", name, cell_text(consumers.at("omitted")));
  }
  const json capacity = group.value("capacity", json());
  if (capacity.is_null()) return text;
  const json& free = capacity.at("disk_free_bytes");
  const json& most = capacity.at("connections_max");
  text += fmt::format(
      "{}: node {} holds {} of it (its leader {}){}; connections of clients: {} there, {} at the "
      "leader{}\n",
      name, cell_text(group.at("target")), bytes_text(capacity.at("group_bytes")),
      bytes_text(capacity.at("leader_group_bytes")),
      free.is_null() ? "" : fmt::format(" and has {} free", bytes_text(free)),
      cell_text(capacity.at("connections")), cell_text(capacity.at("leader_connections")),
      most.is_null() ? "" : fmt::format(", {} may be", cell_text(most)));
  for (const json& warning : capacity.at("warnings")) {
    text += fmt::format("{}: warning: {}\n", name, cell_text(warning));
  }
  return text;
}

}  // namespace

std::string loss_text(const std::string& statement, const json& loss) {
  if (statement == "zero-proven") return "0 (proven)";
  std::string text = statement;
  std::string range;
  const auto add = [&](const std::string& part) { range += (range.empty() ? "" : ", ") + part; };
  if (const json& least = loss.at("records_min"); !least.is_null()) {
    add(fmt::format("at least {}", cell_text(least)));
  }
  if (const json& most = loss.at("records_max"); !most.is_null()) {
    add(fmt::format("at most {}", cell_text(most)));
  }
  if (!range.empty()) text += ": " + range + " records";
  if (const json guess = loss.value("records_estimate", json()); !guess.is_null()) {
    text += fmt::format("{} about {} by estimate", range.empty() ? ":" : ",", cell_text(guess));
  }
  if (const json& time = loss.at("time_max_ms"); !time.is_null()) {
    text += fmt::format("{} what was acknowledged in the last {} ms", range.empty() ? ":" : ",",
                        cell_text(time));
  }
  return text;
}

std::string show_operation(const json& operation) {
  std::string text =
      fmt::format("operation {}: {}, {}\nasked for by {}, carried out by node {} (attempt {})\n",
                  cell_text(operation.at("id")), cell_text(operation.at("kind")),
                  cell_text(operation.at("step")), cell_text(operation.at("requested_by")),
                  node_text(operation.at("executor")), cell_text(operation.at("attempt")));
  if (!operation.at("overrides").empty()) {
    text += fmt::format("overridden: {}\n", joined(operation.at("overrides")));
  }
  for (const json& group : operation.at("groups")) text += group_lines(group);
  text += "\n";
  for (const json& event : operation.at("timeline")) text += event_text(event);
  return text;
}

std::string show_operations(const json& answer) {
  std::vector<TableRow> rows;
  for (const json& operation : answer.at("operations")) {
    std::string losses;
    for (const json& group : operation.at("groups")) {
      const json& loss = group.at("loss");
      if (loss.is_null()) continue;
      losses += (losses.empty() ? "" : ", ") + cell_text(loss.at("statement"));
    }
    rows.push_back({cell_text(operation.at("id")), cell_text(operation.at("kind")),
                    cell_text(operation.at("step")), groups_text(operation),
                    losses.empty() ? "-" : losses, cell_text(operation.at("requested_by"))});
  }
  return render_table({"OPERATION", "KIND", "STEP", "GROUPS", "LOSS", "BY"}, rows);
}

std::string show_preview(const json& preview) {
  std::vector<TableRow> rows;
  for (const json& group : preview.at("groups")) {
    rows.push_back({cell_text(group.at("group")), node_text(group.at("leader")),
                    cell_text(group.at("target")), cell_text(group.at("target_lag")),
                    joined(group.at("silent")), loss_text(cell_text(group.at("estimate")), group)});
  }
  std::string text = "nothing was changed; the loss is an estimate until the group moves\n" +
                     render_table({"GROUP", "LEADER", "TARGET", "LAG", "NO ANSWER", "LOSS"}, rows);
  for (const json& group : preview.at("groups")) text += preview_lines(preview, group);
  for (const json& objection : preview.at("objections")) {
    const json& rule = objection.at("rule");
    const std::string message = cell_text(objection.at("message"));
    if (rule.is_null()) {
      text += fmt::format("impossible: {}\n", message);
      continue;
    }
    // A node of an older version does not say it.
    const bool overridden = objection.value("overridden", false);
    text += fmt::format("{} {}: {}\n", overridden ? "set aside is" : "refused by", cell_text(rule),
                        message);
  }
  return text;
}

std::string show_progress(const json& before, const json& now) {
  std::string text;
  const size_t shown = before.is_null() ? 0 : before.at("timeline").size();
  const json& timeline = now.at("timeline");
  for (size_t i = shown; i < timeline.size(); ++i) text += event_text(timeline[i]);
  const json& groups = now.at("groups");
  for (size_t i = 0; i < groups.size(); ++i) {
    const json& reason = groups[i].at("waiting_for");
    const json& old =
        before.is_null() ? json(nullptr) : before.at("groups").at(i).at("waiting_for");
    if (reason.is_null() || reason == old) continue;
    text += fmt::format("{}: waits for {}\n", cell_text(groups[i].at("group")), cell_text(reason));
  }
  return text;
}

}  // namespace magpie::server
