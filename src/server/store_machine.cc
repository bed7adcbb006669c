#include "server/store_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace magpie::server {
namespace {

constexpr Duration kRetryInterval = Duration::seconds(1);

}  // namespace

StoreMachine::StoreMachine(StoreSettings settings, uint64_t seed)
    : settings_(std::move(settings)), random_(seed) {}

void StoreMachine::give_up(std::string reason) {
  phase_ = os::MachinePhase::kFailed;
  failure_ = std::move(reason);
}

void StoreMachine::start(const Now& now, port::Effects& effects) {
  auto file = SqliteStore::open(settings_.directory, settings_.cluster, random_.next() | 1,
                                random_.next() | 1);
  if (!file) return give_up(file.error().message);
  file_ = std::move(*file);
  const auto image = file_->load();
  if (!image) return give_up(image.error().message);
  store::ServiceConfig config;
  config.version = settings_.version;
  service_.emplace(std::move(config), *image, random_.fork(), now.instant);
  effects.add(port::LogLine{port::Severity::kInfo, "store.serving",
                            fmt::format("{} store of cluster '{}', id {}: revision {}, {} keys",
                                        file_->created() ? "a new" : "the", settings_.cluster,
                                        image->cluster_id, image->revision, image->kvs.size())});
  effects.add(port::LogLine{
      port::Severity::kWarning, "store.single",
      "this control store is one process on one machine: a single point of failure. While it is "
      "away, no failover and no change of topics is possible; traffic goes on. In production use "
      "etcd (docs/operations/control-store.md)"});
}

void StoreMachine::step(const Now& now, port::Event event, port::Effects& effects) {
  if (phase_ != os::MachinePhase::kWorking) return;
  if (const auto* request = std::get_if<port::HttpRequestReceived>(&event)) {
    service_->step(now, *request, effects);
  } else if (const auto* closed = std::get_if<port::HttpExchangeClosed>(&event)) {
    service_->step(now, *closed);
  } else if (std::holds_alternative<port::StopRequested>(event)) {
    stopping_ = true;
  }
  // The driver calls tick() after the events of this turn.
  stepped_ = true;
}

void StoreMachine::tick(const Now& now, port::Effects& effects) {
  if (phase_ != os::MachinePhase::kWorking) return;
  stepped_ = false;
  service_->tick(now, effects);
  if (!waiting_ || now.instant >= retry_at_) persist(now, effects);
  if (!stopping_ || phase_ != os::MachinePhase::kWorking) return;
  service_->stop(effects);
  phase_ = os::MachinePhase::kStopped;
}

Instant StoreMachine::next_deadline() const {
  if (stepped_) return Instant{};
  if (!service_) return Instant::never();
  return std::min(service_->next_deadline(), retry_at_);
}

void StoreMachine::persist(const Now& now, port::Effects& effects) {
  const bool retrying = waiting_.has_value();
  while (waiting_ || (waiting_ = service_->take_batch())) {
    const Status committed = file_->commit(waiting_->changes);
    if (committed) {
      service_->persisted(now, waiting_->number, effects);
      waiting_.reset();
      continue;
    }
    if (committed.error().kind != ErrorKind::kNoSpace) {
      return give_up(
          fmt::format("{}. What was not answered may or may not be stored; start again "
                      "once the disk works",
                      committed.error().message));
    }
    retry_at_ = now.instant + kRetryInterval;
    if (retrying) return;
    effects.add(port::LogLine{port::Severity::kError, "store.disk_full",
                              fmt::format("{}. Writes are not answered until there is space; "
                                          "trying again every second",
                                          committed.error().message)});
    return;
  }
  retry_at_ = Instant::never();
  if (retrying) {
    effects.add(
        port::LogLine{port::Severity::kInfo, "store.disk_works", "the disk takes writes again"});
  }
}

}  // namespace magpie::server
