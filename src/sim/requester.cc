#include "sim/requester.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "control/operation_plan.h"

namespace magpie::sim {
namespace {

// How long people wait for an operation once everything works.
constexpr Duration kPatience = Duration::seconds(90);

std::string region_of(const control::State& state, NodeId node) {
  const control::Node* known = state.find_node(node);
  return known == nullptr ? "" : known->region;
}

}  // namespace

bool needs_a_person(const control::Operation& operation) {
  return std::any_of(operation.groups.begin(), operation.groups.end(), [](const auto& group) {
    return group.step == control::OperationStep::kFencing &&
           group.waiting_for.find("or override") != std::string::npos;
  });
}

std::string Requester::some_region(const std::string& but) {
  std::vector<std::string> names;
  for (const SimRegion& region : cluster_.regions()) {
    if (region.name != but) names.push_back(region.name);
  }
  return names[random_.below(names.size())];
}

void Requester::switch_over(const std::string& group, const control::State& state) {
  const std::string home = region_of(state, state.leadership(group).leader.node);
  begin(group, "switchover", some_region(home), false);
}

void Requester::fail_over(const std::string& group, const control::State& state) {
  const std::string home = region_of(state, state.leadership(group).leader.node);
  const bool allow_loss = knobs_.lossy_failovers && random_.chance(2, 3);
  begin(group, "failover", random_.chance(1, 2) ? some_region(home) : "", allow_loss);
}

void Requester::fail_over_with_loss(const std::string& group) {
  begin(group, "failover", "", true, true);
}

void Requester::begin(const std::string& group, const std::string& kind, const std::string& to,
                      bool allow_loss, bool insists) {
  std::vector<std::string> overrides;
  for (const std::string_view rule : control::safety_rules()) {
    // Otherwise most groups could move once in a run.
    const bool often = rule == control::kRuleCooldown || rule == control::kRuleNotInSync;
    // Who insists lets what was begun go on, mostly.
    const bool always = insists && rule != control::kRuleOperationRunning;
    if (!always && !random_.chance(often ? 3 : 1, 4)) continue;
    overrides.push_back(fmt::format("\"{}\"", rule));
  }
  std::string body = fmt::format(R"({{"kind":"{}","groups":["{}"],"overrides":[{}])", kind, group,
                                 fmt::join(overrides, ","));
  if (!to.empty()) body += fmt::format(R"(,"to":"{}")", to);
  if (allow_loss) body += R"(,"allow_loss":true)";
  if (!insists && random_.chance(1, 6)) body += R"(,"await_approval":true)";
  body += R"(,"requested_by":"simulated"})";
  ask("POST", "/v1/operations", std::move(body), "begun");
}

void Requester::ask(std::string method, std::string target, std::string body, const char* what) {
  Host& host = *cluster_.region(random_.below(cluster_.size())).host;
  if (!host.is_up()) return;
  scene_.trace.say(scene_.now(),
                   fmt::format("ask n{}: {} {} {}", host.id().value, method, target, body));
  host.request(std::move(method), std::move(target), std::move(body),
               [this, what](const std::optional<port::HttpRespond>& answer) {
                 if (!answer) return scene_.probe("request_unanswered");
                 const bool done = answer->status < 300;
                 scene_.note("answer", answer->status);
                 if (!done) scene_.trace.say(scene_.now(), "refused: " + answer->body);
                 scene_.probe(fmt::format("request_{}{}", done ? "" : "not_", what));
               });
}

void Requester::change(control::OperationId id, const char* what) {
  ask("POST", fmt::format("/v1/operations/{}/{}", id, what), R"({"by":"simulated"})", what);
}

void Requester::kill_executor(const control::Operation& operation) {
  Host* host = cluster_.find(operation.executor.node);
  if (host == nullptr || !host->is_up()) return;
  scene_.probe("executor_killed." + control::overall_step(operation));
  // The power of who does not sync is the business of RegionFaults.
  const bool power = !random_.chance(1, 2) && knobs_.fsync.empty();
  host->crash(power ? Crash::kPower : Crash::kProcess);
}

void Requester::look_after(const control::State& state) {
  for (const auto& [id, operation] : state.operations()) {
    if (control::is_over(operation)) continue;
    if (scene_.healed) {
      if (healed_at_ == Instant::never()) healed_at_ = scene_.now();
      const bool waited = scene_.now() >= healed_at_ + kPatience;
      if (operation.awaiting_approval) {
        change(id, "approve");
      } else if (waited && needs_a_person(operation) && random_.chance(1, 20)) {
        scene_.probe("operation_needed_a_person");
        change(id, "abandon");
      }
      continue;
    }
    if (operation.awaiting_approval && random_.chance(1, 20)) change(id, "approve");
    if (random_.chance(1, 400)) change(id, "abandon");
    if (knobs_.kill_executors && random_.chance(1, 100)) kill_executor(operation);
  }
}

bool Requester::all_over(const control::State& state) {
  return std::all_of(state.operations().begin(), state.operations().end(),
                     [](const auto& entry) { return control::is_over(entry.second); });
}

std::string Requester::describe(const control::State& state) {
  std::string text;
  for (const auto& [id, operation] : state.operations()) {
    if (control::is_over(operation)) continue;
    text += fmt::format("{} is {}", id, control::overall_step(operation));
    for (const control::OperationGroup& group : operation.groups) {
      text += fmt::format(", {} waits for '{}'", group.group, group.waiting_for);
    }
  }
  return text;
}

}  // namespace magpie::sim
