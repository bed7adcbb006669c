// Builds a transaction out of what a decision read and what it wants to change.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "control/change.h"
#include "control/state.h"

namespace magpie::control {

// The key must be as this state shows it; also if it does not exist.
inline void compare_key(const State& state, const std::string& key, Transaction& transaction) {
  const auto& compares = transaction.compares;
  const bool known = std::any_of(compares.begin(), compares.end(),
                                 [&](const Compare& each) { return each.key == key; });
  if (!known) transaction.compares.push_back({key, state.modified(key)});
}

// Puts or deletes the key, if it is as this state shows it.
inline void change_key(const State& state, const std::string& key, std::optional<std::string> value,
                       Transaction& transaction) {
  const auto& changes = transaction.changes;
  CHECK(std::none_of(changes.begin(), changes.end(),
                     [&](const Change& each) { return each.key == key; }));
  compare_key(state, key, transaction);
  transaction.changes.push_back({key, std::move(value)});
}

}  // namespace magpie::control
