#include "control/deleted_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "control/group_values.h"
#include "control/keys.h"
#include "control/transaction_builder.h"
#include "control/value_fields.h"

namespace magpie::control {
namespace {

// With one deletion, which may also take a hundred episodes of exposure.h: a transaction has a
// limit.
constexpr size_t kOverdueForgottenMax = 10;

std::string deleted_key(std::string_view group) {
  return std::string(kDeletedGroupPrefix).append(group);
}

}  // namespace

std::string encode_deleted_group(const DeletedGroup& deleted) {
  return dump_value({{"policy", Json::parse(encode_group(deleted.policy))},
                     {"deleted_at", deleted.deleted_at.millis},
                     {"kept_until", deleted.kept_until.millis}});
}

Result<DeletedGroup> decode_deleted_group(std::string_view key, std::string_view name,
                                          std::string_view value) {
  auto json = parse_value(key, value);
  if (!json) return fail(json.error());
  Fields fields(*json);
  DeletedGroup deleted;
  deleted.deleted_at = {fields.integer("deleted_at", INT64_MIN, INT64_MAX)};
  deleted.kept_until = {fields.integer("kept_until", INT64_MIN, INT64_MAX)};
  if (fields.problem()) return malformed(key, *fields.problem());
  const Json policy = json->value("policy", Json());
  constexpr auto kReplace = Json::error_handler_t::replace;
  auto decoded = decode_group(key, name, policy.dump(-1, ' ', false, kReplace));
  if (!decoded) return fail(decoded.error());
  deleted.policy = std::move(*decoded);
  return deleted;
}

std::map<std::string, DeletedGroup> deleted_groups(const State& state) {
  std::map<std::string, DeletedGroup> all;
  for (auto at = state.entries().lower_bound(kDeletedGroupPrefix);
       at != state.entries().end() && at->first.starts_with(kDeletedGroupPrefix); ++at) {
    const std::string name = at->first.substr(kDeletedGroupPrefix.size());
    auto deleted = decode_deleted_group(at->first, name, at->second.value);
    if (deleted) all.emplace(name, std::move(*deleted));
  }
  return all;
}

void keep_group(const State& state, const FailoverGroup& policy, Duration keep, WallTime now,
                Transaction& transaction) {
  std::map<std::string, DeletedGroup> others = deleted_groups(state);
  others.erase(policy.name);
  const auto forget = [&](auto which) {
    change_key(state, deleted_key(which->first), std::nullopt, transaction);
    return others.erase(which);
  };
  size_t overdue = 0;
  for (auto at = others.begin(); at != others.end() && overdue < kOverdueForgottenMax;) {
    const bool is_over = at->second.kept_until <= now;
    at = is_over ? forget(at) : std::next(at);
    overdue += is_over ? 1 : 0;
  }
  while (others.size() >= kDeletedGroupsMax) {
    forget(std::min_element(others.begin(), others.end(), [](const auto& one, const auto& other) {
      return one.second.kept_until < other.second.kept_until;
    }));
  }
  const DeletedGroup deleted{policy, now, {now.millis + keep.to_milliseconds()}};
  change_key(state, deleted_key(policy.name), encode_deleted_group(deleted), transaction);
}

Decided<DeletedGroup> decide_restore_group(const State& state, std::string_view name,
                                           WallTime now) {
  const std::map<std::string, DeletedGroup> all = deleted_groups(state);
  const auto found = all.find(std::string(name));
  if (found == all.end() || found->second.kept_until <= now) {
    return refuse(
        RefusalCode::kInvalidRequest,
        fmt::format(
            "no deleted failover group '{}' is kept{}; list those that are with: "
            "magpie failover-group list --deleted",
            name,
            state.find_group(name) == nullptr ? "" : ", but there is one that is not deleted"));
  }
  const FailoverGroup& policy = found->second.policy;
  if (state.find_group(name) != nullptr) {
    return refuse(RefusalCode::kInvalidRequest,
                  fmt::format("failover group '{}' was created anew; alter it instead", name));
  }
  if (auto problem = group_problem(policy, state.regions())) {
    return refuse(RefusalCode::kPolicyViolation,
                  fmt::format("the policy that failover group '{}' had can no longer hold: {}",
                              name, *problem));
  }
  Decision<DeletedGroup> decision;
  decision.answer = found->second;
  for (const std::string& region : policy.regions) {
    compare_key(state, region_key(region), decision.transaction);
  }
  change_key(state, deleted_key(name), std::nullopt, decision.transaction);
  change_key(state, group_key(name), encode_group(policy), decision.transaction);
  return decision;
}

}  // namespace magpie::control
