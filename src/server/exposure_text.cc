#include "server/exposure_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "server/admin_options.h"
#include "server/table.h"
#include "server/time_text.h"

namespace magpie::server {
namespace {

using nlohmann::json;

std::string duration_text(int64_t millis) {
  const int64_t seconds = millis / 1'000;
  if (seconds < 60) return fmt::format("{}.{:03} s", seconds, millis % 1'000);
  if (seconds < 3'600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3'600, seconds / 60 % 60);
}

std::string bytes_text(int64_t bytes) {
  constexpr int64_t kKi = 1'024;
  if (bytes < 10 * kKi) return fmt::format("{} B", bytes);
  if (bytes < 10 * kKi * kKi) return fmt::format("{} KiB", bytes / kKi);
  if (bytes < 10 * kKi * kKi * kKi) return fmt::format("{} MiB", bytes / kKi / kKi);
  return fmt::format("{} GiB", bytes / kKi / kKi / kKi);
}

std::string end_text(const json& end) {
  if (end.is_null()) return "lasts";
  if (end == "enough-copies") return "enough copies";
  if (end == "term-ended") return "new term";
  return cell_text(end);
}

TableRow episode_row(const json& episode) {
  const json& leader = episode.at("leader");
  const bool complete = episode.at("complete").get<bool>();
  return {time_text(episode.at("began_ms").get<int64_t>()),
          duration_text(episode.at("duration_ms").get<int64_t>()),
          end_text(episode.at("end")),
          fmt::format("{} of {}", cell_text(episode.at("fewest_copies")),
                      cell_text(episode.at("wanted_copies"))),
          (complete ? "" : ">= ") + cell_text(episode.at("records")),
          "~" + bytes_text(episode.at("bytes_estimate").get<int64_t>()),
          cell_text(episode.at("epoch")),
          fmt::format("{} ({})", cell_text(leader.at("node")), cell_text(leader.at("region")))};
}

}  // namespace

std::string exposure_text(const json& answer) {
  const std::string name = cell_text(answer.at("name"));
  const json& episodes = answer.at("episodes");
  if (answer.at("single_node").get<bool>()) {
    return "this node is alone: there are no copies elsewhere, and nothing to record\n";
  }
  std::string text =
      fmt::format("failover group {} wants {} copies besides the leader's and has {}: {}\n", name,
                  cell_text(answer.at("wanted_copies")), cell_text(answer.at("copies")),
                  answer.at("state").is_null() ? "never led" : cell_text(answer.at("state")));
  if (answer.at("wanted_copies") == 0) {
    text +=
        "it waits for no copies, so this history has nothing to record now; how far the copies are "
        "behind is in the metrics magpie_failover_group_exposed_…\n";
  }
  if (episodes.empty()) {
    return text + "no time is recorded in which it acknowledged with fewer copies than it wants\n";
  }
  std::vector<TableRow> rows;
  bool all_complete = true;
  for (const json& episode : episodes) {
    rows.push_back(episode_row(episode));
    all_complete = all_complete && episode.at("complete").get<bool>();
  }
  text += "acknowledged with fewer copies, newest first:\n";
  text += render_table({"FROM", "FOR", "ENDED BY", "COPIES", "RECORDS", "BYTES", "EPOCH", "LEADER"},
                       rows);
  if (!all_complete) {
    text +=
        ">= at least: as last written down by a leader that goes on, or was lost before it could "
        "write down the rest, or noticed late that copies were too few\n";
  }
  if (answer.at("episodes_kept") == episodes.size()) {
    text += fmt::format("no more than {} are kept; there may have been others before\n",
                        episodes.size());
  }
  return text;
}

}  // namespace magpie::server
