#include "control/store_scout.h"

#include <algorithm>
#include <string>
#include <utility>

#include "control/adoption.h"
#include "control/keys.h"

namespace magpie::control {
namespace {

// After the store that was watched was replaced, too.
constexpr Duration kPause = Duration::seconds(1);
// More calls than one client makes.
constexpr uint64_t kCallsOfOneClient = uint64_t{1} << 32;

}  // namespace

StoreScout::StoreScout(store::ClientConfig config, uint64_t known_store, Revision known_revision,
                       Random random)
    : config_(std::move(config)),
      known_store_(known_store),
      known_revision_(known_revision),
      random_(random) {
  config_.writer.clear();
  config_.known_cluster_id = 0;
  config_.known_revision = 0;
  client_.emplace(config_, random_.fork());
}

void StoreScout::start(Instant now, port::Effects& effects) {
  store::ClientOutput out{effects, events_};
  client_->start(now, out);
  hear(now);
}

void StoreScout::stop(port::Effects& effects) {
  store::ClientOutput out{effects, events_};
  client_->stop(out);
  events_.clear();
  again_at_ = Instant::never();
}

void StoreScout::step(Instant now, const port::HttpCallPart& part, port::Effects& effects) {
  store::ClientOutput out{effects, events_};
  client_->step(now, part, out);
  hear(now);
}

void StoreScout::step(Instant now, const port::HttpCallDone& done, port::Effects& effects) {
  store::ClientOutput out{effects, events_};
  client_->step(now, done, out);
  hear(now);
}

void StoreScout::tick(Instant now, port::Effects& effects) {
  if (again_at_ <= now) {
    again_at_ = Instant::never();
    config_.courier.first_call += kCallsOfOneClient;
    client_.emplace(config_, random_.fork());
    return start(now, effects);
  }
  store::ClientOutput out{effects, events_};
  if (client_->next_deadline() <= now) client_->tick(now, out);
  hear(now);
}

Instant StoreScout::next_deadline() const {
  return std::min(again_at_, client_->next_deadline());
}

void StoreScout::hear(Instant now) {
  const std::string key = adopted_key(known_store_);
  for (const store::ClientEvent& event : std::exchange(events_, {})) {
    if (const auto* loaded = std::get_if<store::Loaded>(&event)) {
      found_ = loaded->cluster_id;
      adopted_.reset();
      for (const store::KeyValue& kv : loaded->entries) {
        if (kv.key == key) look_at(kv.value);
      }
    } else if (const auto* changed = std::get_if<store::Changed>(&event)) {
      for (const store::WatchEvent& change : changed->changes) {
        if (change.kv.key != key) continue;
        look_at(change.deleted ? std::nullopt : std::optional(change.kv.value));
      }
    } else if (std::holds_alternative<store::StoreFrozen>(event)) {
      found_ = 0;
      adopted_.reset();
      again_at_ = now + kPause;
    }
  }
}

// A mark of a later version counts as none.
void StoreScout::look_at(const std::optional<std::string>& value) {
  adopted_.reset();
  if (!value) return;
  const auto mark = decode_adopted(adopted_key(known_store_), *value);
  if (mark) adopted_ = mark->revision;
}

}  // namespace magpie::control
