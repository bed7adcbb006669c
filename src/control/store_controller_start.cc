// How a StoreController starts and keeps up: the directory, the store, the node's own entries.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "control/absent_nodes.h"
#include "control/decide_groups.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/store_controller.h"
#include "control/transaction_builder.h"

namespace magpie::control {
namespace {

constexpr Duration kRegistrationPause = Duration::seconds(1);
// More calls than all clients of one scout make.
constexpr uint64_t kCallsOfOneClient = uint64_t{1} << 48;

Error used_without_store() {
  return Error{ErrorKind::kInvalidArgument,
               fmt::format("{} is the state of a node that was alone, without a control store: its "
                           "topics are not in the store. Nothing was changed on disk. Start the "
                           "node without a store, or with an empty data directory",
                           kJournalPath)};
}

// Events of a client that was given up may still be on their way.
store::ClientConfig next_client(store::ClientConfig config, uint64_t& clients) {
  config.courier.first_call += kCallsOfOneClient * clients++;
  return config;
}

std::vector<Change> changes_of(const store::Changed& changed) {
  std::vector<Change> changes;
  for (const store::WatchEvent& event : changed.changes) {
    changes.push_back({event.kv.key, std::nullopt});
    if (!event.deleted) changes.back().value = event.kv.value;
  }
  return changes;
}

}  // namespace

StoreController::StoreController(StoreControllerConfig config, Random random)
    : config_(std::move(config)),
      random_(random),
      journal_(config_.journal_file, config_.cluster_id,
               {config_.owner, DirectoryOpening::kJournalWritten, 0}),
      opening_(config_, journal_, random_),
      age_(config_.age_file, {config_.owner, DirectoryOpening::kAgeWritten, 0},
           config_.age_interval) {
  CHECK(config_.attempts_max > 0 && config_.lease_seconds > 0);
}

void StoreController::start(const Now& now, ControllerOutput& out) {
  CHECK(phase_ == Phase::kStarting && !client_);
  now_ = now;
  if (auto problem = cluster_id_problem(config_.cluster_id)) {
    return fail_start(Error{ErrorKind::kInvalidArgument, std::move(*problem)}, out);
  }
  opening_.begin(out.effects);
}

void StoreController::step(const Now& now, const port::DiskDone& done, ControllerOutput& out) {
  now_ = now;
  if (phase_ != Phase::kStarting) {
    if (done.then.kind == DirectoryOpening::kAgeWritten) {
      age_.finish(done, out.effects);
    } else {
      on_copy_written(done, out);
    }
    return advance(out);
  }
  auto ended = opening_.step(done, out.effects);
  if (!ended) return;
  if (*ended) return on_opened(std::move(**ended), out);
  if (!is_temporary(ended->error().kind)) return fail_start(std::move(ended->error()), out);
  storage_error_ = std::move(ended->error());
  retry_at_ = now.instant + config_.retry_interval;
}

void StoreController::on_opened(OpenedDirectory opened, ControllerOutput& out) {
  copy_of_ = opened.store_id;
  has_copy_ = copy_of_ != 0;
  if (!has_copy_ && opened.state.revision() > 0) return fail_start(used_without_store(), out);
  phase_ = Phase::kJoining;
  storage_error_.reset();
  retry_at_ = Instant::never();
  identity_ = std::move(opened.identity);
  created_ = opened.created;
  age_.begin(opened.age);
  state_ = std::move(opened.state);
  config_.node.id = identity_.node_id;
  config_.node.incarnation = identity_.incarnation;
  config_.node.directory = identity_.directory;
  config_.store.writer = std::to_string(identity_.node_id.value);
  patience_ends_ = now_.instant + config_.patience;
  start_client(opened.store_id, state_.revision(), out);
  advance(out);
}

void StoreController::start_client(uint64_t store_id, Revision revision, ControllerOutput& out) {
  config_.store.known_cluster_id = store_id;
  config_.store.known_revision = revision;
  client_.emplace(next_client(config_.store, clients_), random_.fork());
  store::ClientOutput client = client_out(out);
  client_->start(now_.instant, client);
}

void StoreController::step(const Now& now, const port::HttpCallPart& part, ControllerOutput& out) {
  now_ = now;
  if (scout_ && scout_->owns(part.call)) {
    scout_->step(now.instant, part, out.effects);
    look_at_scout(out);
  } else {
    store::ClientOutput client = client_out(out);
    client_->step(now.instant, part, client);
  }
  advance(out);
}

void StoreController::step(const Now& now, const port::HttpCallDone& done, ControllerOutput& out) {
  now_ = now;
  if (scout_ && scout_->owns(done.call)) {
    scout_->step(now.instant, done, out.effects);
    look_at_scout(out);
  } else {
    store::ClientOutput client = client_out(out);
    client_->step(now.instant, done, client);
  }
  advance(out);
}

void StoreController::tick(const Now& now, ControllerOutput& out) {
  now_ = now;
  if (stopping_ || now.instant < next_deadline()) return;
  if (phase_ == Phase::kStarting) {
    retry_at_ = Instant::never();
    return opening_.begin(out.effects);
  }
  if (registered_) age_.tick(now.instant, out.effects);
  if (client_->next_deadline() <= now.instant) {
    store::ClientOutput client = client_out(out);
    client_->tick(now.instant, client);
  }
  if (scout_ && scout_->next_deadline() <= now.instant) {
    scout_->tick(now.instant, out.effects);
    look_at_scout(out);
  }
  if (patience_ends_ <= now.instant) {
    patience_ends_ = Instant::never();
    const bool turned_away = phase_ == Phase::kJoining && registration_problem_.has_value();
    if (turned_away) {
      return fail_start(Error{ErrorKind::kInvalidArgument, *registration_problem_}, out);
    }
    if (phase_ == Phase::kJoining && may_serve_copy()) become_ready(out);
  }
  advance(out);
}

Instant StoreController::next_deadline() const {
  if (stopping_ || phase_ == Phase::kFailed) return Instant::never();
  Instant next = retry_at_;
  if (journal_.busy()) next = Instant::never();
  if (phase_ == Phase::kStarting) return next;
  next = std::min({next, patience_ends_, client_->next_deadline()});
  if (scout_) next = std::min(next, scout_->next_deadline());
  if (registered_) next = std::min(next, age_.next_deadline());
  const bool pausing =
      is_current() && !flight_ && state_.revision() <= wait_for_ && now_.instant < wait_until_;
  return pausing ? std::min(next, wait_until_) : next;
}

// --- what the client says -----------------------------------------------------------------------

void StoreController::advance(ControllerOutput& out) {
  do {
    while (!client_events_.empty()) {
      std::vector<store::ClientEvent> events = std::exchange(client_events_, {});
      for (store::ClientEvent& event : events) hear(event, out);
    }
  } while (work(out) || !client_events_.empty());
  if (client_ && !stopping_) write_copy(out);
}

void StoreController::hear(store::ClientEvent& event, ControllerOutput& out) {
  if (stopping_) return;
  if (auto* loaded = std::get_if<store::Loaded>(&event)) return on_loaded(*loaded, out);
  if (const auto* changed = std::get_if<store::Changed>(&event)) return on_changed(*changed, out);
  if (const auto* done = std::get_if<store::TransactionDone>(&event)) return on_done(*done, out);
  if (const auto* held = std::get_if<store::LeaseHeld>(&event)) return on_lease(*held);
  if (const auto* gone = std::get_if<store::LeaseGone>(&event)) {
    if (gone->handle != lease_handle_ || frozen_) return;
    lease_ = 0;
    store::ClientOutput client = client_out(out);
    client_->hold_lease(now_.instant, ++lease_handle_, config_.lease_seconds, client);
  } else if (const auto* away = std::get_if<store::StoreUnreachable>(&event)) {
    unreachable_ = away->error.message;
    refuse_waiting(RefusalCode::kUnavailable, *trouble(), out);
  } else if (std::holds_alternative<store::StoreReachable>(event)) {
    unreachable_.reset();
  } else if (const auto* frozen = std::get_if<store::StoreFrozen>(&event)) {
    freeze(fmt::format("the control store is not the one this node knows: {}. Nothing is changed "
                       "until somebody has decided; if this store is to be used from now on, run "
                       "'magpie store adopt'",
                       frozen->message),
           out);
    start_scout(out);
  } else if (const auto* replaced = std::get_if<store::WriterReplaced>(&event)) {
    freeze(fmt::format("another process writes to the control store as node {}: {}. End one of the "
                       "two, then restart this one",
                       identity_.node_id.value, replaced->message),
           out);
  }
}

void StoreController::on_loaded(store::Loaded& loaded, ControllerOutput& out) {
  State::Entries entries;
  for (store::KeyValue& kv : loaded.entries) {
    entries.emplace(std::move(kv.key), State::Entry{std::move(kv.value), kv.mod_revision});
  }
  auto differences = take_loaded(loaded.revision, entries);
  if (!differences) return freeze(differences.error().message, out);
  loaded_ = true;
  if (state_.find_node(identity_.node_id) == nullptr) registered_ = false;
  has_copy_ = true;
  copy_of_ = loaded.cluster_id;
  journal_.set_store(loaded.cluster_id);
  unwritten_.clear();
  whole_ = true;
  out.events.push_back(Applied{loaded.revision, std::move(*differences)});
}

// The revisions of an adopted store say nothing about those of the one before.
Result<std::vector<Difference>> StoreController::take_loaded(Revision revision,
                                                             const State::Entries& entries) {
  if (!adopting_) return state_.replace(revision, entries);
  State next;
  if (auto same = next.replace(1, state_.entries()); !same) return fail(same.error());
  auto differences = next.replace(revision, entries);
  if (!differences) return fail(differences.error());
  state_ = std::move(next);
  adopting_ = false;
  return differences;
}

void StoreController::on_changed(const store::Changed& changed, ControllerOutput& out) {
  if (!is_current()) return;
  std::vector<Change> changes = changes_of(changed);
  auto differences = state_.apply(changed.revision, changes);
  if (!differences) return freeze(differences.error().message, out);
  // Whoever was taken out asks to be let in again, and says why it is not.
  if (state_.find_node(identity_.node_id) == nullptr) registered_ = false;
  // Beyond its limit, as while the disk refuses, the copy is written whole from the state.
  if (whole_ || unwritten_.size() >= kUnwrittenMax) {
    whole_ = true;
    unwritten_.clear();
  } else {
    unwritten_.push_back({changed.revision, std::move(changes)});
  }
  out.events.push_back(Applied{changed.revision, std::move(*differences)});
}

void StoreController::on_lease(const store::LeaseHeld& held) {
  if (held.handle != lease_handle_) return;
  lease_ = held.lease;
  lease_until_ = held.valid_until;
}

void StoreController::freeze(std::string message, ControllerOutput& out) {
  if (frozen_) return;
  out.effects.add(port::LogLine{port::Severity::kError, "control.store_frozen", message});
  frozen_ = std::move(message);
  refuse_waiting(RefusalCode::kUnavailable, *frozen_, out);
  give_up_committed(out);
  if (phase_ != Phase::kJoining) return;
  if (may_serve_copy()) return become_ready(out);
  fail_start(Error{ErrorKind::kInvalidArgument, *frozen_}, out);
}

// What this state will not show any more.
void StoreController::give_up_committed(ControllerOutput& out) {
  if (!flight_ || !flight_->committed) return;
  const Flight flight = *std::exchange(flight_, std::nullopt);
  if (flight.errand != Errand::kProposal) return;
  out.events.push_back(Settled{
      flight.proposal.ticket,
      Refusal{RefusalCode::kStorage,
              "the control store made the change and is another one now; look later whether it is "
              "there"}});
}

// --- a store that is adopted --------------------------------------------------------------------

void StoreController::start_scout(ControllerOutput& out) {
  if (phase_ == Phase::kFailed || stopping_) return;
  scout_.emplace(next_client(config_.store, clients_), copy_of_, state_.revision(), random_.fork());
  scout_->start(now_.instant, out.effects);
}

void StoreController::look_at_scout(ControllerOutput& out) {
  if (stopping_) return;
  if (scout_->accepted()) return use_adopted(out);
  const auto adopted = scout_->adopted();
  if (!adopted || left_out_ == adopted) return;
  left_out_ = adopted;
  frozen_ = fmt::format(
      "control store {} was adopted from copies up to revision {}, and this node has seen revision "
      "{}: what it knows is not there. Nothing is changed here. See 'A node that was left out' in "
      "docs/operations/control-store.md",
      scout_->found(), *adopted, state_.revision());
  out.effects.add(port::LogLine{port::Severity::kError, "control.left_out", *frozen_});
}

// As after a start with the copy, except that the rest of the node goes on.
void StoreController::use_adopted(ControllerOutput& out) {
  const uint64_t store_id = scout_->found();
  const Revision revision = scout_->revision();
  out.effects.add(port::LogLine{
      port::Severity::kInfo, "control.store_adopted",
      fmt::format("control store {} was adopted; this node uses it from now on", store_id)});
  scout_->stop(out.effects);
  scout_.reset();
  frozen_.reset();
  left_out_.reset();
  unreachable_.reset();
  loaded_ = false;
  adopting_ = true;
  registered_ = false;
  registration_problem_.reset();
  lease_handle_ = 0;
  lease_ = announcing_ = announced_ = 0;
  wait_for_ = 0;
  wait_until_ = {};
  client_events_.clear();
  start_client(store_id, revision, out);
}

// --- the node's own entries ---------------------------------------------------------------------

bool StoreController::register_node(ControllerOutput& out) {
  auto decided = decide_register_node(state_, config_.node, config_.role, now_.wall,
                                      Duration::seconds(config_.lease_seconds));
  if (auto old = age_problem(state_, identity_.node_id, identity_.first(), age_.on_disk())) {
    fail_start(Error{ErrorKind::kInvalidArgument, std::move(old->message)}, out);
    return false;
  }
  auto absence = absence_problem(state_, identity_.node_id, identity_.first(),
                                 config_.topic_defaults, now_.wall);
  if (!decided || absence) {
    Refusal refusal = std::move(decided ? *absence : decided.error());
    if (!registration_problem_) {
      out.effects.add(
          port::LogLine{port::Severity::kWarning, "control.not_registered", refusal.message});
    }
    registration_problem_ = std::move(refusal.message);
    if (phase_ == Phase::kReady) {
      refuse_waiting(RefusalCode::kUnavailable, *registration_problem_, out);
    }
    wait_for_ = state_.revision();
    wait_until_ = now_.instant + kRegistrationPause;
    return false;
  }
  registration_problem_.reset();
  if (decided->transaction.empty()) {
    registered_ = true;
  } else {
    submit(Errand::kRegister, {}, decided->transaction, 0, out);
  }
  if (lease_handle_ == 0) {
    store::ClientOutput client = client_out(out);
    client_->hold_lease(now_.instant, ++lease_handle_, config_.lease_seconds, client);
  }
  return true;
}

// Puts `alive/` with the lease, so that it goes with it.
bool StoreController::announce(ControllerOutput& out) {
  Transaction transaction;
  compare_key(state_, node_key(identity_.node_id), transaction);
  transaction.changes.push_back(
      {alive_key(identity_.node_id), encode_alive(identity_.incarnation)});
  announcing_ = lease_;
  submit(Errand::kAnnounce, {}, transaction, lease_, out);
  return true;
}

// After the disk has it, so that a directory is never younger than the store knows it.
bool StoreController::tell_age(ControllerOutput& out) {
  telling_age_ = age_.on_disk();
  const auto told = control::tell_age(state_, identity_.node_id, identity_.first(), telling_age_);
  submit(Errand::kAge, {}, told, 0, out);
  return true;
}

// A copy that knows this node with another data directory speaks of partitions that are not here.
bool StoreController::may_serve_copy() const {
  const Node* known = state_.find_node(identity_.node_id);
  return has_copy_ && known != nullptr && known->first_incarnation() == identity_.first();
}

void StoreController::become_ready(ControllerOutput& out) {
  CHECK(phase_ == Phase::kJoining);
  phase_ = Phase::kReady;
  out.events.push_back(Ready{identity_, state_.leadership(), created_});
}

void StoreController::fail_start(Error error, ControllerOutput& out) {
  phase_ = Phase::kFailed;
  out.events.push_back(StartFailed{std::move(error)});
  stop(out);
}

}  // namespace magpie::control
