#include "drive.h"

#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <utility>

namespace magpie::drive {
namespace {

constexpr size_t kWriters = 2;
constexpr Duration kPause = Duration::milliseconds(20);
constexpr const char* kCounter = "counter";
constexpr uint64_t kLeaseHandle = 1;
constexpr int64_t kLeaseSeconds = 20;

void say(const std::string& line) {
  fmt::print("{}\n", line);
  (void)fflush(stdout);
}

}  // namespace

DriveMachine::DriveMachine(Settings settings, uint64_t seed)
    : settings_(std::move(settings)), random_(seed) {
  for (size_t i = 0; i <= kWriters; ++i) {
    store::ClientConfig config;
    config.courier.endpoints = settings_.endpoints;
    config.courier.user = settings_.user;
    config.courier.password = settings_.password;
    config.courier.first_call = (i + 1) << 40;
    config.prefix = settings_.prefix;
    config.follower.page_keys = 10;
    if (i < kWriters) config.writer = fmt::format("writer{}", i);
    Node node;
    node.name = config.writer;
    node.client = std::make_unique<store::StoreClient>(std::move(config), random_.fork());
    nodes_.push_back(std::move(node));
  }
}

void DriveMachine::fail(const std::string& reason) {
  phase_ = os::MachinePhase::kFailed;
  if (failure_.empty()) failure_ = reason;
}

void DriveMachine::with(const Now& now, Node& node, port::Effects& effects,
                        void (DriveMachine::*action)(const Now&, Node&, store::ClientOutput&)) {
  std::vector<store::ClientEvent> events;
  store::ClientOutput out{effects, events};
  (this->*action)(now, node, out);
  for (const store::ClientEvent& event : events) hear(node, event);
}

void DriveMachine::begin(const Now& now, Node& node, store::ClientOutput& out) {
  node.client->start(now.instant, out);
  if (!node.name.empty()) node.client->hold_lease(now.instant, kLeaseHandle, kLeaseSeconds, out);
}

void DriveMachine::tick_client(const Now& now, Node& node, store::ClientOutput& out) {
  node.client->tick(now.instant, out);
}

void DriveMachine::start(const Now& now, port::Effects& effects) {
  for (Node& node : nodes_) with(now, node, effects, &DriveMachine::begin);
}

void DriveMachine::step(const Now& now, port::Event event, port::Effects& effects) {
  for (Node& node : nodes_) {
    std::vector<store::ClientEvent> events;
    store::ClientOutput out{effects, events};
    if (const auto* part = std::get_if<port::HttpCallPart>(&event)) {
      if (node.client->owns(part->call)) node.client->step(now.instant, *part, out);
    } else if (const auto* done = std::get_if<port::HttpCallDone>(&event)) {
      if (node.client->owns(done->call)) node.client->step(now.instant, *done, out);
    }
    for (const store::ClientEvent& each : events) hear(node, each);
  }
  advance(now, effects);
}

void DriveMachine::tick(const Now& now, port::Effects& effects) {
  for (Node& node : nodes_) with(now, node, effects, &DriveMachine::tick_client);
  advance(now, effects);
}

Instant DriveMachine::next_deadline() const {
  Instant next = Instant::never();
  for (const Node& node : nodes_) {
    next = std::min(next, node.client->next_deadline());
    const bool waits = node.loaded && !node.transacting && !node.name.empty();
    if (waits) next = std::min(next, node.next_at);
  }
  return next;
}

void DriveMachine::advance(const Now& now, port::Effects& effects) {
  if (committed_ >= settings_.commits) return compare_in_the_end();
  for (Node& node : nodes_) {
    const bool may = node.loaded && node.held && !node.transacting && now.instant >= node.next_at;
    if (node.name.empty() || !may) continue;
    node.next_at = now.instant + kPause;
    with(now, node, effects, &DriveMachine::commit_next);
  }
}

void DriveMachine::commit_next(const Now& now, Node& node, store::ClientOutput& out) {
  const uint64_t ticket = next_ticket_++;
  const store::KeyValue& counter = node.state[kCounter];
  const int64_t count = counter.value.empty() ? 0 : std::stoll(counter.value);
  node.trace = fmt::format("trace/{}", ticket);
  node.transacting = true;
  store::StateTransaction transaction;
  transaction.compares = {{kCounter, store::CompareTarget::kMod, store::CompareResult::kEqual,
                           counter.mod_revision, ""}};
  transaction.changes = {{kCounter, std::to_string(count + 1)},
                         {node.trace, std::to_string(count + 1)}};
  node.client->submit(now.instant, ticket, std::move(transaction), out);
}

void DriveMachine::hear(Node& node, const store::ClientEvent& event) {
  if (const auto* loaded = std::get_if<store::Loaded>(&event)) {
    node.loaded = true;
    if (loaded->after_compaction && node.name.empty()) say("reloaded after a compaction");
    node.state.clear();
    for (const store::KeyValue& kv : loaded->entries) node.state[kv.key] = kv;
    node.revision = loaded->revision;
  } else if (const auto* changed = std::get_if<store::Changed>(&event)) {
    if (changed->revision <= node.revision) fail("revisions do not rise");
    node.revision = changed->revision;
    for (const store::WatchEvent& change : changed->changes) {
      if (change.deleted) node.state.erase(change.kv.key);
      if (!change.deleted) node.state[change.kv.key] = change.kv;
    }
  } else if (const auto* done = std::get_if<store::TransactionDone>(&event)) {
    on_done(node, *done);
  } else if (std::holds_alternative<store::LeaseHeld>(event)) {
    node.held = true;
  } else if (std::holds_alternative<store::LeaseGone>(event)) {
    fail("a lease ended although it was renewed");
  } else if (const auto* frozen = std::get_if<store::StoreFrozen>(&event)) {
    fail(frozen->message);
  } else if (const auto* unreachable = std::get_if<store::StoreUnreachable>(&event)) {
    fmt::print(stderr, "unreachable: {}\n", unreachable->error.message);
  }
}

void DriveMachine::on_done(Node& node, const store::TransactionDone& done) {
  node.transacting = false;
  if (done.outcome == store::Outcome::kCompareFailed) {
    ++refused_;
    return;
  }
  if (done.outcome != store::Outcome::kCommitted) {
    return fail("a transaction ended with: " + (done.error ? done.error->message : "?"));
  }
  traces_[node.trace] = done.revision;
  last_commit_ = std::max(last_commit_, done.revision);
  ++committed_;
  if (committed_ % 10 == 0) say(fmt::format("progress {}", committed_));
}

// Waits until nothing is under way and the reader has come as far as the last commit.
void DriveMachine::compare_in_the_end() {
  const Node& reader = nodes_.back();
  const bool undecided =
      std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.transacting; });
  const auto counter = reader.state.find(kCounter);
  const bool behind = counter == reader.state.end() || counter->second.mod_revision < last_commit_;
  if (undecided || behind || phase_ != os::MachinePhase::kWorking) return;
  if (counter->second.value != std::to_string(committed_)) {
    return fail(
        fmt::format("the counter is at {} after {} commits", counter->second.value, committed_));
  }
  size_t traces = 0;
  for (const auto& [key, kv] : reader.state) {
    if (!key.starts_with("trace/")) continue;
    ++traces;
    const auto found = traces_.find(key);
    if (found == traces_.end()) return fail(key + " was applied, and reported as failed");
    if (found->second != kv.mod_revision) return fail(key + " has another revision than reported");
  }
  if (traces != traces_.size()) return fail("a transaction that was reported is missing");
  print_what_others_wrote(reader);
  fmt::print("ok: {} committed, {} lost the race\n", committed_, refused_);
  phase_ = os::MachinePhase::kStopped;
}

void DriveMachine::print_what_others_wrote(const Node& reader) const {
  for (const auto& [key, kv] : reader.state) {
    if (key.starts_with("outside/")) fmt::print("{} {}\n", key, kv.value);
  }
}

}  // namespace magpie::drive
