#include "admin/region_changes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "admin/regions.h"
#include "admin/response.h"
#include "control/decide_regions.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using control::RegionReadmitted;
using control::RegionRemoval;
using nlohmann::json;

void refuse(kafka::Broker& broker, port::HttpExchangeId exchange, const Problem& problem) {
  broker.effects.add(problem_response(exchange, problem));
}

Problem refused_by(const control::State& state, const std::string& region,
                   const control::Refusal& refusal) {
  if (refusal.code != control::RefusalCode::kPolicyViolation) return problem_of(refusal);
  if (control::is_leaving(state, region)) {
    return {409, "not_possible", refusal.message,
            fmt::format("region '{0}' stays 'leaving': go on when that is done, or keep it with: "
                        "magpie region readmit {0}",
                        region)};
  }
  return {409, "not_possible", refusal.message,
          "nothing was changed; what must come first stands in the message, and "
          "docs/operations/failover.md says why"};
}

// Answers if the request cannot be about this region.
bool answered(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& region) {
  const control::State& state = broker.control.state();
  if (is_alone(state)) {
    refuse(broker, exchange, single_node());
    return true;
  }
  if (state.regions().contains(region) || control::is_removed(state, region)) return false;
  refuse(broker, exchange,
         {404, "region_not_found", fmt::format("there is no region '{}'", region),
          "list the regions with: magpie region list"});
  return true;
}

json removal_json(const RegionRemoval& removal, bool dry_run) {
  return {{"region", removal.region},
          {"state", removal.removed ? "removed"
                    : dry_run       ? "member"
                                    : "leaving"},
          {"dry_run", dry_run},
          {"waits_for", removal.waits_for},
          {"consequences", removal.consequences}};
}

// Nothing if the body is wrong.
std::optional<bool> wants_dry_run(const std::string& body) {
  if (body.empty()) return false;
  const json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  const json flag = parsed.value("dry_run", json(false));
  const bool known = parsed.empty() || (parsed.size() == 1 && parsed.contains("dry_run"));
  if (!flag.is_boolean() || !known) return std::nullopt;
  return flag.get<bool>();
}

}  // namespace

void remove_region(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& region,
                   const std::string& body, Duration lease) {
  const std::optional<bool> dry_run = wants_dry_run(body);
  if (!dry_run) {
    return refuse(broker, exchange,
                  malformed_body("the body must be empty, or an object with 'dry_run', true or "
                                 "false"));
  }
  if (answered(broker, exchange, region)) return;
  const auto decide = [region, wall = broker.now.wall, lease](const control::State& state) {
    return control::decide_remove_region(state, region, wall, lease);
  };
  if (*dry_run) {
    const auto decided = decide(broker.control.state());
    if (!decided) {
      return refuse(broker, exchange, refused_by(broker.control.state(), region, decided.error()));
    }
    broker.effects.add(json_response(exchange, 200, removal_json(decided->answer, true)));
    return;
  }
  kafka::propose<RegionRemoval>(
      broker, decide,
      [exchange, region](kafka::Broker& late,
                         const tl::expected<RegionRemoval, control::Refusal>& done) {
        if (!done) {
          return refuse(late, exchange, refused_by(late.control.state(), region, done.error()));
        }
        late.effects.add(json_response(exchange, 200, removal_json(*done, false)));
      });
}

void readmit_region(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& region,
                    Duration lease) {
  if (answered(broker, exchange, region)) return;
  kafka::propose<RegionReadmitted>(
      broker,
      [region, wall = broker.now.wall, lease](const control::State& state) {
        return control::decide_readmit_region(state, region, wall, lease);
      },
      [exchange, region](kafka::Broker& late,
                         const tl::expected<RegionReadmitted, control::Refusal>& done) {
        if (!done) {
          return refuse(late, exchange, refused_by(late.control.state(), region, done.error()));
        }
        late.effects.add(
            json_response(exchange, 200, {{"region", done->region}, {"state", "member"}}));
      });
}

}  // namespace magpie::admin
