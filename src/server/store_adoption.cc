#include "server/store_adoption.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/uuid.h"
#include "control/adoption.h"
#include "control/keys.h"
#include "os/clock.h"
#include "server/admin_options.h"
#include "server/command.h"
#include "server/config_text.h"
#include "server/process.h"
#include "server/store_errand.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using control::CopyReport;
using control::OfferedCopy;
using control::Values;
using nlohmann::json;

template <typename T>
using Found = tl::expected<T, CommandError>;

tl::unexpected<CommandError> refuse(std::string code, std::string message, std::string next,
                                    int exit_code = kExitUsage) {
  return tl::unexpected<CommandError>(
      {std::move(code), std::move(message), std::move(next), exit_code});
}

uint64_t id_of(const json& text) {
  if (!text.is_string()) return 0;
  const std::string& digits = text.get_ref<const std::string&>();
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  return error == std::errc() && end == digits.data() + digits.size() ? id : 0;
}

// One node as it answered.
struct Witnessed {
  std::string address;
  std::string cluster;
  std::string region;
  std::string phase;
  std::string state;
  std::string trouble;
  uint64_t found = 0;
  CopyReport report;
};

// Throws if it is not the answer of a node.
Witnessed read_answer(const std::string& address, const json& answer) {
  Witnessed node;
  node.address = address;
  node.cluster = answer.at("cluster").get<std::string>();
  node.region = answer.at("region").get<std::string>();
  node.phase = answer.at("phase").get<std::string>();
  node.state = answer.at("state").get<std::string>();
  if (answer.at("trouble").is_string()) node.trouble = answer.at("trouble").get<std::string>();
  node.found = id_of(answer.at("found"));
  node.report.member.node = NodeId{answer.at("node").get<int32_t>()};
  if (answer.at("incarnation").is_string()) {
    const auto id = parse_uuid(answer.at("incarnation").get<std::string>());
    node.report.member.incarnation = id.value_or(Uuid{});
  }
  node.report.store_id = id_of(answer.at("store"));
  node.report.revision = answer.at("revision").get<int64_t>();
  node.report.complete = answer.at("complete").get<bool>();
  for (const auto& [group, about] : answer.at("groups").items()) {
    const auto highest = about.at("highest_epoch").get<int32_t>();
    if (highest >= 0) node.report.highest[group] = LeaderEpoch{highest};
    const json& leads = about.at("leads_in_epoch");
    if (leads.is_number()) node.report.leads[group] = LeaderEpoch{leads.get<int32_t>()};
  }
  return node;
}

Found<json> ask(const AdoptionOrder& order, const std::string& address, const char* target) {
  return ask_node({address, "GET", target, "", order.timeout});
}

Found<std::vector<Witnessed>> ask_nodes(const AdoptionOrder& order) {
  std::map<NodeId, Witnessed> nodes;
  for (const std::string& address : order.nodes) {
    auto answer = ask(order, address, "/v1/store");
    if (!answer) {
      if (answer.error().code != "unreachable") return tl::unexpected(answer.error());
      return refuse("unreachable", answer.error().message,
                    "start the node; or, if it is lost, leave its --node out and name its id with "
                    "--without: the command then says what that costs",
                    kExitNotStarted);
    }
    try {
      Witnessed node = read_answer(address, *answer);
      const NodeId id = node.report.member.node;
      const auto [at, is_new] = nodes.try_emplace(id, std::move(node));
      if (!is_new) {
        return refuse(
            "wrong_argument",
            fmt::format("{} and {} are both node {}", at->second.address, address, id.value),
            "name the admin port of each node once");
      }
    } catch (const json::exception&) {
      return tl::unexpected(not_a_node(address));
    }
  }
  std::vector<Witnessed> list;
  for (auto& [id, node] : nodes) list.push_back(std::move(node));
  return list;
}

// Whether the nodes may be asked for their copies: they have stopped, each of them.
std::optional<CommandError> not_frozen(const Witnessed& node, uint64_t store) {
  const std::string name = fmt::format("node {} ({})", node.report.member.node.value, node.address);
  const auto no = [](std::string message, std::string next, int code = kExitUsage) {
    return CommandError{"not_frozen", std::move(message), std::move(next), code};
  };
  if (node.phase != "running") {
    return no(fmt::format("{} is {}", name, node.phase), "wait until it runs, then again",
              kExitNotStarted);
  }
  if (node.report.store_id == store) {
    return no(
        fmt::format("{} works with store {} already, into which nothing was adopted", name, store),
        "if all nodes do, there is nothing to adopt. If this one began with an empty data "
        "directory, stop it until the store is adopted");
  }
  if (node.state == "current") {
    return no(fmt::format("{} still works with store {}", name, node.report.store_id),
              "a store that answers must not be replaced. If it is lost, wait a few seconds; if "
              "the endpoints of the node lead to another store than --store, correct one of them",
              kExitNotStarted);
  }
  if (node.state != "frozen" || node.found == 0) {
    return no(fmt::format("{} has not found the restored store: {}", name, node.trouble),
              "its endpoints must lead to the restored store; if they do, wait a few seconds",
              kExitNotStarted);
  }
  if (node.found == node.report.store_id) {
    return no(
        fmt::format("the restored store has the cluster id {} of the one before it", node.found),
        "restore it again with another token (etcd), or with magpie store restore");
  }
  if (node.found != store) {
    return no(fmt::format("{} has found store {}, and --store leads to store {}", name, node.found,
                          store),
              "all endpoints must lead to one store");
  }
  return std::nullopt;
}

Found<Values> fetch_copy(const AdoptionOrder& order, const Witnessed& node) {
  const auto answer = ask(order, node.address, "/v1/store/copy");
  if (!answer) return tl::unexpected(answer.error());
  Values values;
  try {
    if (id_of(answer->at("store")) != node.report.store_id ||
        answer->at("revision").get<int64_t>() != node.report.revision) {
      return refuse("not_frozen",
                    fmt::format("the copy of node {} changes", node.report.member.node.value),
                    "try again; a frozen node's copy does not change", kExitNotStarted);
    }
    for (const auto& [key, value] : answer->at("entries").items()) {
      values[key] = value.get<std::string>();
    }
  } catch (const json::exception&) {
    return tl::unexpected(not_a_node(node.address));
  }
  return values;
}

// The newest of all copies, and which node has it.
struct Newest {
  uint64_t store_id = 0;
  control::Revision revision = 0;
  NodeId node;
  Values values;
};

Found<Newest> find_newest(const AdoptionOrder& order, const std::vector<Witnessed>& nodes) {
  std::map<uint64_t, const Witnessed*> best;
  for (const Witnessed& node : nodes) {
    const Witnessed*& held = best[node.report.store_id];
    if (held == nullptr || held->report.revision < node.report.revision) held = &node;
  }
  std::vector<Newest> copies;
  for (const auto& [store, node] : best) {
    auto values = fetch_copy(order, *node);
    if (!values) return tl::unexpected(values.error());
    copies.push_back({store, node->report.revision, node->report.member.node, std::move(*values)});
  }
  std::vector<OfferedCopy> offered;
  for (const Newest& copy : copies) offered.push_back({copy.store_id, copy.revision, &copy.values});
  const auto chosen = control::newest_copy(offered);
  if (!chosen) {
    return refuse("different_stores",
                  "the nodes have copies of different stores, none of which was adopted from the "
                  "others",
                  "ask only nodes of one cluster; magpie store status shows which store each of "
                  "them knows");
  }
  const auto at = std::find_if(copies.begin(), copies.end(), [&](const Newest& copy) {
    return copy.store_id == chosen->store_id;
  });
  return std::move(*at);
}

std::optional<CommandError> missing(const AdoptionOrder& order, const Newest& newest,
                                    const std::vector<CopyReport>& reports) {
  const auto absent = control::missing_nodes(newest.values, reports);
  if (!absent)
    return CommandError{"not_possible", absent.error().message, "see the log", kExitUsage};
  std::vector<int32_t> unnamed;
  for (const NodeId node : *absent) {
    const auto& without = order.without;
    if (std::find(without.begin(), without.end(), node.value) == without.end()) {
      unnamed.push_back(node.value);
    }
  }
  if (unnamed.empty()) return std::nullopt;
  return CommandError{
      "nodes_missing",
      fmt::format("node{} {} of the cluster {} not asked, and may know of changes that nobody else "
                  "has seen",
                  unnamed.size() == 1 ? "" : "s", fmt::join(unnamed, ", "),
                  unnamed.size() == 1 ? "was" : "were"),
      "name the admin ports with --node. If they cannot be asked: --without ID, and look at the "
      "groups with --dry-run; those that they may have led need a failover with loss",
      kExitUsage};
}

json group_json(const control::AdoptedGroup& group) {
  const control::Leadership& led = group.leadership;
  const bool nobody = group.standing == control::Standing::kUnknown;
  return {{"group", group.group},
          {"standing", to_string(group.standing)},
          {"epoch", led.epoch.value},
          {"leader", nobody ? json(nullptr) : json(led.leader.node.value)},
          {"why", group.why.empty() ? json(nullptr) : json(group.why)}};
}

// One adoption, once the nodes have answered.
class Attempt {
 public:
  Attempt(const AdoptionOrder& order, std::vector<Witnessed> nodes)
      : order_(order), nodes_(std::move(nodes)) {
    for (const Witnessed& node : nodes_) reports_.push_back(node.report);
  }

  std::optional<StoreErrand::Writing> look(const store::Loaded& loaded) {
    auto writing = plan(loaded);
    if (!writing) {
      error_ = std::move(writing.error());
      return std::nullopt;
    }
    if (plan_["already"].get<bool>() || order_.dry_run) return std::nullopt;
    if (order_.confirmed) return std::move(*writing);
    error_ = {"not_confirmed", "the store would be changed as shown above",
              "look at it, then say --yes", kExitUsage};
    return std::nullopt;
  }

  const std::optional<CommandError>& error() const { return error_; }
  json& plan() { return plan_; }

 private:
  Found<StoreErrand::Writing> plan(const store::Loaded& loaded) {
    if (already(loaded)) return StoreErrand::Writing{};
    for (const Witnessed& node : nodes_) {
      if (auto no = left_out(loaded, node)) return tl::unexpected(std::move(*no));
    }
    for (const Witnessed& node : nodes_) {
      if (auto no = not_frozen(node, loaded.cluster_id)) return tl::unexpected(std::move(*no));
    }
    auto newest = find_newest(order_, nodes_);
    if (!newest) return tl::unexpected(newest.error());
    Values store;
    for (const store::KeyValue& kv : loaded.entries) store[kv.key] = kv.value;
    if (auto no = unusable(loaded, *newest, store)) return tl::unexpected(std::move(*no));
    if (auto no = missing(order_, *newest, reports_)) return tl::unexpected(std::move(*no));
    control::AdoptionInput input{newest->store_id, newest->revision,      newest->values, store,
                                 reports_,         os::read_clocks().wall};
    auto adoption = control::decide_adoption(input);
    if (!adoption) {
      return refuse("not_possible", adoption.error().message,
                    "use the version of magpie that the nodes run");
    }
    describe(loaded, *newest, store, *adoption);
    return StoreErrand::Writing{std::move(adoption->changes), std::move(adoption->mark)};
  }

  // Every node uses the store, or is about to: its mark covers what the node knows.
  bool already(const store::Loaded& loaded) {
    const bool done = std::all_of(nodes_.begin(), nodes_.end(), [&](const Witnessed& node) {
      if (node.report.store_id == loaded.cluster_id) return true;
      const auto mark = mark_of(loaded, node.report.store_id);
      return mark && mark->revision >= node.report.revision;
    });
    const bool any = std::any_of(loaded.entries.begin(), loaded.entries.end(), [](const auto& kv) {
      return kv.key.starts_with(control::kAdoptedPrefix);
    });
    plan_ = {{"store", std::to_string(loaded.cluster_id)}, {"already", done && any}};
    return done && any;
  }

  static std::optional<control::Adopted> mark_of(const store::Loaded& loaded, uint64_t store) {
    const std::string key = control::adopted_key(store);
    for (const store::KeyValue& kv : loaded.entries) {
      if (kv.key != key) continue;
      const auto mark = control::decode_adopted(key, kv.value);
      if (mark) return *mark;
    }
    return std::nullopt;
  }

  static std::optional<CommandError> left_out(const store::Loaded& loaded, const Witnessed& node) {
    const auto mark = mark_of(loaded, node.report.store_id);
    if (!mark || mark->revision >= node.report.revision) return std::nullopt;
    return CommandError{
        "left_out",
        fmt::format("the store was adopted from copies up to revision {}, and node {} has seen "
                    "revision {}",
                    mark->revision, node.report.member.node.value, node.report.revision),
        "what the others have changed since would be lost. See 'A node that was left out' in "
        "docs/operations/control-store.md",
        kExitUsage};
  }

  std::optional<CommandError> unusable(const store::Loaded& loaded, const Newest& newest,
                                       const Values& store) const {
    const std::string used = control::adopted_key(loaded.cluster_id);
    if (newest.values.contains(used)) {
      return CommandError{"not_frozen",
                          fmt::format("store {} was in use before", loaded.cluster_id),
                          "restore it again with a token that was never used", kExitUsage};
    }
    const auto others = control::strangers(newest.values, store);
    if (!others) {
      return CommandError{"not_possible", others.error().message,
                          "use the version of magpie that the nodes run", kExitUsage};
    }
    if (others->empty()) return std::nullopt;
    return CommandError{
        "store_in_use",
        fmt::format("node {} holds a lease in the restored store, with a data directory that no "
                    "copy knows",
                    others->front().value),
        "if it runs, stop it until the store is adopted. A lease from the backup ends by itself: "
        "try again after the time that a lease lasts",
        kExitNotStarted};
  }

  void describe(const store::Loaded& loaded, const Newest& newest, const Values& store,
                const control::Adoption& adoption) {
    plan_["from"] = std::to_string(newest.store_id);
    plan_["from_revision"] = newest.revision;
    plan_["from_node"] = newest.node.value;
    plan_["store_revision"] = loaded.revision;
    plan_["reported"] = json::array();
    for (const CopyReport& report : reports_) {
      plan_["reported"].push_back(report.member.node.value);
    }
    plan_["without"] = order_.without;
    plan_["changes"] = json::array();
    for (const control::Change& change : adoption.changes) {
      const char* what = !change.value                ? "removed"
                         : store.contains(change.key) ? "changed"
                                                      : "added";
      plan_["changes"].push_back({{"key", change.key}, {"what", what}});
    }
    plan_["groups"] = json::array();
    for (const control::AdoptedGroup& group : adoption.groups) {
      plan_["groups"].push_back(group_json(group));
    }
  }

  const AdoptionOrder& order_;
  const std::vector<Witnessed> nodes_;
  std::vector<CopyReport> reports_;
  std::optional<CommandError> error_;
  json plan_;
};

}  // namespace

tl::expected<json, AdoptionFailure> adopt_store(const AdoptionOrder& order) {
  const auto failed = [](CommandError error, json plan = nullptr) {
    return tl::unexpected<AdoptionFailure>({std::move(error), std::move(plan)});
  };
  auto nodes = ask_nodes(order);
  if (!nodes) return failed(nodes.error());
  for (const Witnessed& node : *nodes) {
    if (node.cluster == nodes->front().cluster) continue;
    return failed({"wrong_argument",
                   fmt::format("{} belongs to cluster '{}', {} to '{}'", node.address, node.cluster,
                               nodes->front().address, nodes->front().cluster),
                   "name nodes of one cluster", kExitUsage});
  }
  for (const Witnessed& node : *nodes) {
    const int32_t id = node.report.member.node.value;
    if (std::find(order.without.begin(), order.without.end(), id) == order.without.end()) continue;
    return failed({"wrong_argument", fmt::format("node {} was asked and is in --without", id),
                   "name it once", kExitUsage});
  }
  store::ClientConfig config;
  config.courier = order.store;
  config.prefix = fmt::format("magpie/{}/", nodes->front().cluster);
  if (order.confirmed && !order.dry_run) config.writer = "adopt";
  Attempt attempt(order, std::move(*nodes));
  StoreErrand errand(
      config, [&](const store::Loaded& loaded) { return attempt.look(loaded); }, order.timeout,
      random_seed());
  const Status done = run_errand(errand, order.http);
  if (attempt.error()) return failed(*attempt.error(), std::move(attempt.plan()));
  if (!done) {
    return failed({"store_failed", "the store: " + done.error().message,
                   "nothing is adopted before the last step; once the store answers, run the same "
                   "command again",
                   kExitNotStarted});
  }
  attempt.plan()["written"] = errand.written();
  return std::move(attempt.plan());
}

// --- for people ----------------------------------------------------------------------------------

namespace {

// "topics" and "topics/orders" of "topics/orders"; configs/topics/x counts as configs.
std::string kind_of(const std::string& key) {
  return key.substr(0, key.find('/'));
}

std::string changes_text(const json& changes) {
  constexpr size_t kNamed = 5;
  std::map<std::string, std::map<std::string, std::vector<std::string>>> sorted;
  for (const json& change : changes) {
    const std::string key = change.at("key").get<std::string>();
    sorted[kind_of(key)][change.at("what").get<std::string>()].push_back(printable(key));
  }
  std::vector<TableRow> rows;
  for (const auto& [kind, by_what] : sorted) {
    for (const auto& [what, keys] : by_what) {
      std::string named;
      for (size_t i = 0; i < std::min(keys.size(), kNamed); ++i) {
        named += (i == 0 ? "" : ", ") + keys[i];
      }
      if (keys.size() > kNamed) named += ", …";
      rows.push_back({what, std::to_string(keys.size()), named});
    }
  }
  if (rows.empty()) return "";
  return render_table({"IN THE STORE", "KEYS", "WHICH"}, rows);
}

std::string groups_text(const json& groups) {
  std::vector<TableRow> rows;
  std::string advice;
  for (const json& group : groups) {
    rows.push_back({cell_text(group.at("group")), cell_text(group.at("standing")),
                    cell_text(group.at("epoch")), cell_text(group.at("leader")),
                    cell_text(group.at("why"))});
    if (group.at("standing") != "unknown") continue;
    advice += fmt::format("nobody leads {0}: magpie failover {0} --allow-loss\n",
                          cell_text(group.at("group")));
  }
  if (rows.empty()) return "";
  return render_table({"GROUP", "TERM", "EPOCH", "LEADER", "WHY"}, rows) + advice;
}

}  // namespace

std::string adoption_text(const json& plan) {
  const std::string store = cell_text(plan.at("store"));
  if (plan.at("already").get<bool>()) {
    return fmt::format("store {} is adopted already; there is nothing to do\n", store);
  }
  std::string text = fmt::format(
      "store {}, at revision {}, gets what store {} held at revision {}, from the copy of node "
      "{}\n",
      store, cell_text(plan.at("store_revision")), cell_text(plan.at("from")),
      cell_text(plan.at("from_revision")), cell_text(plan.at("from_node")));
  text += changes_text(plan.at("changes")) + groups_text(plan.at("groups"));
  if (!plan.contains("written")) return text;
  text += plan.at("written").get<bool>() ? "adopted; nodes go on by themselves within seconds\n"
                                         : "nothing was changed\n";
  return text;
}

}  // namespace magpie::server
