#include "sim/statement_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <variant>

#include "control/keys.h"
#include "control/operation_values.h"

namespace magpie::sim {
namespace {

// Clients hear of an acknowledgement so much later than it was given, at worst.
constexpr Duration kHearsay = Duration::seconds(3);

// Nothing said is more than any number.
template <typename Number>
bool is_less(const std::optional<Number>& now, const std::optional<Number>& before) {
  return now && (!before || *now < *before);
}

// Whether a statement promises what the one before it did not.
bool promises_more(const control::Loss& now, const control::Loss& before) {
  if (now.kind != before.kind) return now.kind < before.kind;
  return is_less(now.records_max, before.records_max) || is_less(now.time_max, before.time_max);
}

}  // namespace

void StatementWatch::changed(const std::string& prefix, const store::ImageChanges& changes) {
  for (const store::ImageChange& change : changes) {
    const auto* put = std::get_if<store::KeyPut>(&change);
    if (put == nullptr || !put->kv.key.starts_with(prefix)) continue;
    const std::string key = put->kv.key.substr(prefix.size());
    const auto number = control::without_prefix(key, control::kOperationPrefix);
    if (!number) continue;
    control::OperationId id = 0;
    std::from_chars(number->data(), number->data() + number->size(), id);
    const auto operation = control::decode_operation(key, id, put->kv.value);
    if (!operation) {
      return scene_.violate("metadata", "an operation: " + operation.error().message);
    }
    for (const control::OperationGroup& group : operation->groups) {
      if (group.new_epoch != kNoLeaderEpoch) said(*operation, group);
    }
  }
}

void StatementWatch::term(const std::string&, const control::Leadership& term) {
  with_loss_.try_emplace(term.epoch.value, term.opened_with == control::OpenedWith::kLossy);
}

void StatementWatch::said(const control::Operation& operation,
                          const control::OperationGroup& group) {
  if (!group.loss) {
    return scene_.violate("G11", fmt::format("operation {} has moved {} and does not say at what "
                                             "cost",
                                             operation.id, group.group));
  }
  scene_.probe(std::string("statement_") + control::to_string(group.loss->kind));
  const auto [place, fresh] = statements_.try_emplace(group.new_epoch.value);
  const bool was_zero = !fresh && place->second.loss.kind == control::LossKind::kZero;
  if (was_zero && group.loss->kind != control::LossKind::kZero) scene_.probe("zero_contradicted");
  if (!fresh && promises_more(*group.loss, place->second.loss)) {
    scene_.violate("G11", fmt::format("operation {} says that {} lost less than it said before",
                                      operation.id, group.group));
  }
  place->second = {operation.id, group.group, *group.loss};
}

void StatementWatch::check() {
  for (const auto& [epoch, statement] : statements_) {
    const auto opened = with_loss_.find(epoch);
    if (opened == with_loss_.end()) {
      scene_.violate("G11", fmt::format("operation {} says that {} is led in epoch {}, which never "
                                        "began",
                                        statement.operation, statement.group, epoch));
    } else if (statement.loss.kind == control::LossKind::kZero && opened->second) {
      scene_.violate("G11", fmt::format("operation {} says that {} lost nothing, and its epoch {} "
                                        "was opened with loss",
                                        statement.operation, statement.group, epoch));
    } else {
      check_bounds(epoch, statement);
    }
  }
}

// All partitions of the group together.
void StatementWatch::check_bounds(int32_t epoch, const Statement& statement) {
  Ledger::Lost lost;
  for (const auto& [key, ledger] : topics_.ledgers()) lost.add(ledger->lost_by(epoch));
  if (lost.records == 0) return;
  scene_.probe("acknowledged_records_lost");
  const control::Loss& loss = statement.loss;
  const auto wrong = [&](const std::string& what) {
    scene_.violate("G11", fmt::format("operation {}, {}, epoch {}: {}", statement.operation,
                                      statement.group, epoch, what));
  };
  if (loss.records_max && lost.records > *loss.records_max) {
    wrong(fmt::format("{} acknowledged records are lost, at most {} were said to be", lost.records,
                      *loss.records_max));
  }
  if (loss.kind != control::LossKind::kBounded || !loss.time_max) return;
  const Duration age = lost.newest - lost.oldest;
  if (age <= *loss.time_max + kHearsay) return;
  wrong(fmt::format("acknowledged records of {} ms are lost, at most {} ms were said to be",
                    age.to_milliseconds(), loss.time_max->to_milliseconds()));
}

}  // namespace magpie::sim
