#include "server/store_errand.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "control/keys.h"
#include "server/config_text.h"

namespace magpie::server {
namespace {

// Far below what a store takes in one transaction.
constexpr size_t kBatchChanges = 100;
constexpr size_t kBatchBytes = 512 * 1024;

std::deque<std::vector<control::Change>> split(std::vector<control::Change> changes) {
  std::deque<std::vector<control::Change>> batches;
  size_t bytes = 0;
  for (control::Change& change : changes) {
    const size_t size = change.key.size() + change.value.value_or("").size();
    const bool full =
        batches.empty() || batches.back().size() >= kBatchChanges || bytes + size > kBatchBytes;
    if (full) {
      batches.emplace_back();
      bytes = 0;
    }
    bytes += size;
    batches.back().push_back(std::move(change));
  }
  return batches;
}

// The driver has something to say only about itself; what matters is in the errand.
class Silence final : public os::LogSink {
 public:
  void write(const Now&, const port::LogLine&) override {}
};

// A folder that a driver wants for its files; this one writes none.
class Folder {
 public:
  Folder() {
    std::string path = (std::filesystem::temp_directory_path() / "magpie-XXXXXX").string();
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

StoreErrand::StoreErrand(store::ClientConfig config, Look look, Duration patience, uint64_t seed)
    : client_(std::move(config), Random(seed)), look_(std::move(look)), patience_(patience) {}

void StoreErrand::start(const Now& now, port::Effects& effects) {
  deadline_ = now.instant + patience_;
  store::ClientOutput client = out(effects);
  client_.start(now.instant, client);
  hear(now, effects);
}

void StoreErrand::step(const Now& now, port::Event event, port::Effects& effects) {
  if (phase_ != os::MachinePhase::kWorking) return;
  store::ClientOutput client = out(effects);
  if (const auto* part = std::get_if<port::HttpCallPart>(&event)) {
    client_.step(now.instant, *part, client);
  } else if (const auto* done = std::get_if<port::HttpCallDone>(&event)) {
    client_.step(now.instant, *done, client);
  } else if (std::holds_alternative<port::StopRequested>(event)) {
    fail("interrupted");
  }
  hear(now, effects);
}

void StoreErrand::tick(const Now& now, port::Effects& effects) {
  if (phase_ != os::MachinePhase::kWorking) return;
  if (std::exchange(waits_anew_, false)) deadline_ = now.instant + patience_;
  if (now.instant >= deadline_) {
    return fail(fmt::format("no answer within {}{}{}", duration_text(patience_),
                            trouble_.empty() ? "" : ": ", trouble_));
  }
  store::ClientOutput client = out(effects);
  client_.tick(now.instant, client);
  hear(now, effects);
}

Instant StoreErrand::next_deadline() const {
  return waits_anew_ ? Instant{} : std::min(deadline_, client_.next_deadline());
}

void StoreErrand::hear(const Now& now, port::Effects& effects) {
  while (phase_ == os::MachinePhase::kWorking && !events_.empty()) {
    for (const store::ClientEvent& event : std::exchange(events_, {})) {
      if (phase_ != os::MachinePhase::kWorking) break;
      if (const auto* loaded = std::get_if<store::Loaded>(&event)) {
        on_loaded(now, *loaded, effects);
      } else if (const auto* done = std::get_if<store::TransactionDone>(&event)) {
        on_done(now, *done, effects);
      } else if (const auto* changed = std::get_if<store::Changed>(&event)) {
        for (const store::WatchEvent& change : changed->changes) {
          const bool leased = change.kv.key.starts_with(control::kAlivePrefix);
          if (!leased) seen_.emplace(changed->revision, change.kv.key);
        }
      } else if (const auto* away = std::get_if<store::StoreUnreachable>(&event)) {
        trouble_ = away->error.message;
      } else if (const auto* frozen = std::get_if<store::StoreFrozen>(&event)) {
        fail(frozen->message);
      } else if (const auto* replaced = std::get_if<store::WriterReplaced>(&event)) {
        fail(replaced->message);
      }
    }
    if (waits_for_news_) submit_next(now, effects);
  }
}

void StoreErrand::on_loaded(const Now& now, const store::Loaded& loaded, port::Effects& effects) {
  if (looked_) {
    reloaded_ = true;
    return;
  }
  looked_ = true;
  for (const store::KeyValue& kv : loaded.entries) modified_[kv.key] = kv.mod_revision;
  std::optional<Writing> writing = look_(loaded);
  if (!writing) {
    phase_ = os::MachinePhase::kStopped;
    return;
  }
  batches_ = split(std::move(writing->changes));
  batches_.push_back({std::move(writing->last)});
  submit_next(now, effects);
}

void StoreErrand::submit_next(const Now& now, port::Effects& effects) {
  if (phase_ != os::MachinePhase::kWorking) return;
  if (batches_.size() == 1) {
    if (const std::string others = changed_by_others(); !others.empty()) return fail(others);
    waits_for_news_ = !has_seen_ours();
    if (waits_for_news_) return;
  }
  std::vector<control::Change> changes = std::move(batches_.front());
  batches_.pop_front();
  submit(now, std::move(changes), effects);
}

// What others have changed up to there has been seen, too.
bool StoreErrand::has_seen_ours() const {
  return ours_.empty() || seen_.contains(*ours_.rbegin());
}

void StoreErrand::submit(const Now& now, std::vector<control::Change> changes,
                         port::Effects& effects) {
  store::StateTransaction transaction;
  for (control::Change& change : changes) {
    const auto known = modified_.find(change.key);
    transaction.compares.push_back({change.key,
                                    store::CompareTarget::kMod,
                                    store::CompareResult::kEqual,
                                    known == modified_.end() ? 0 : known->second,
                                    {}});
    transaction.changes.push_back({std::move(change.key), std::move(change.value), 0});
  }
  waits_anew_ = true;
  store::ClientOutput client = out(effects);
  client_.submit(now.instant, 1, std::move(transaction), client);
}

void StoreErrand::on_done(const Now& now, const store::TransactionDone& done,
                          port::Effects& effects) {
  if (done.outcome == store::Outcome::kCompareFailed) {
    return fail("somebody else changes the store at the same time");
  }
  if (done.outcome != store::Outcome::kCommitted) {
    return fail(done.error ? done.error->message : "the store refused a change");
  }
  ours_.insert(done.revision);
  if (!batches_.empty()) return submit_next(now, effects);
  written_ = true;
  phase_ = os::MachinePhase::kStopped;
}

std::string StoreErrand::changed_by_others() const {
  if (reloaded_) return "the store was compacted while it was being written";
  for (const auto& [revision, key] : seen_) {
    if (!ours_.contains(revision)) {
      return fmt::format("somebody else changes the store at the same time: {}", key);
    }
  }
  return "";
}

void StoreErrand::fail(std::string why) {
  if (phase_ != os::MachinePhase::kWorking) return;
  phase_ = os::MachinePhase::kFailed;
  failure_ = std::move(why);
}

Status run_errand(StoreErrand& errand, const os::HttpClientConfig& http) {
  const Folder folder;
  if (folder.path().empty()) {
    return magpie::fail(ErrorKind::kIo, "no temporary folder can be made");
  }
  os::DriverConfig config;
  config.disk.directory = folder.path();
  config.http_client = http;
  Silence log;
  os::FileCalls calls;
  const auto driver = os::Driver::open(config, errand, log, calls);
  if (!driver) return magpie::fail(driver.error());
  if ((*driver)->run() == os::kExitStopped) return {};
  return magpie::fail(ErrorKind::kUnavailable, errand.failure());
}

}  // namespace magpie::server
