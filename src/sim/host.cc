#include "sim/host.h"

#include <fmt/format.h>

#include <type_traits>
#include <utility>

#include "base/check.h"

namespace magpie::sim {
namespace {

// 2026-01-01, so that timestamps look real.
constexpr int64_t kFirstWallMillis = 1'767'225'600'000;

node::NodeConfig node_config(const Knobs& knobs) {
  node::NodeConfig config;
  config.listeners = {{"client", "magpie.example", 9092}};
  config.auto_create_topics = false;
  config.fsync = knobs.fsync;
  config.fsync_interval = knobs.fsync_interval;
  config.group_initial_rebalance_delay = Duration::milliseconds(100);
  config.retention_check_interval = knobs.upkeep_interval;
  config.compaction_interval = knobs.upkeep_interval;
  config.limits.recent_batches_bytes = knobs.recent_batches_bytes;
  config.limits.unanswered_bytes_per_connection = knobs.unanswered_bytes;
  return config;
}

}  // namespace

Host::Host(Scene& scene, const Knobs& knobs, Disk& disk, Network& network)
    : scene_(scene), knobs_(knobs), disk_(disk), network_(network), random_(scene.random.fork()) {
  disk_.set_deliver([this](port::DiskDone done) { step(std::move(done)); });
  network_.set_deliver([this](port::Event event) { step(std::move(event)); });
}

Now Host::now() const {
  const int64_t millis = scene_.now().nanos / 1'000'000;
  return {scene_.now(), WallTime{kFirstWallMillis + wall_offset_ + millis}};
}

void Host::boot() {
  CHECK(!is_up());
  scene_.note("boot", ++boots_);
  stopping_ = false;
  planned_tick_ = Instant::never();
  node_ = std::make_unique<node::Node>(node_config(knobs_), random_.next());
  network_.set_listening(true);
  node_->start(now(), effects_);
  carry_out();
}

void Host::crash(Crash crash) {
  CHECK(is_up());
  scene_.note(crash == Crash::kPower ? "power loss" : "kill", boots_);
  node_.reset();
  effects_.clear();
  disk_.crash(crash);
  network_.set_listening(false);
}

void Host::request_stop() {
  if (!is_up() || stopping_) return;
  scene_.note("stop", boots_);
  stopping_ = true;
  step(port::StopRequested{});
}

port::HttpRespond Host::ask(const std::string& path) {
  CHECK(is_up());
  answer_ = {};
  step(port::HttpRequestReceived{port::HttpExchangeId{1}, "GET", path, ""});
  return answer_;
}

void Host::step(port::Event event) {
  if (!is_up()) return;
  node_->step(now(), std::move(event), effects_);
  carry_out();
}

void Host::plan_tick() {
  if (!is_up()) return;
  const Instant deadline = node_->next_deadline();
  if (deadline == Instant::never() || deadline >= planned_tick_) return;
  // A node that is always due does not stop time.
  const Instant when = std::max(deadline, scene_.now() + Duration::microseconds(10));
  if (when >= planned_tick_) return;
  planned_tick_ = when;
  scene_.queue.at(when, [this, boot = boots_, when] {
    if (boot != boots_ || planned_tick_ != when) return;
    planned_tick_ = Instant::never();
    tick_when_due();
  });
}

void Host::tick_when_due() {
  if (!is_up()) return;
  if (node_->next_deadline() <= scene_.now()) node_->tick(now(), effects_);
  carry_out();
}

// --- effects -------------------------------------------------------------------------------------

void Host::carry_out() {
  // Nothing that is carried out calls back into the node.
  carried_.swap(effects_.list());
  for (port::Effect& effect : carried_) carry_out(effect);
  carried_.clear();
  plan_tick();
  look_at_phase();
}

void Host::carry_out(port::Effect& effect) {
  if (auto* send = std::get_if<port::Send>(&effect)) {
    scene_.note("send", send->connection.value, size_of(send->bytes));
    network_.carry_out(*send);
  } else if (auto* close = std::get_if<port::CloseConnection>(&effect)) {
    network_.carry_out(*close);
  } else if (auto* reading = std::get_if<port::SetReading>(&effect)) {
    network_.carry_out(*reading);
  } else if (auto* line = std::get_if<port::LogLine>(&effect)) {
    look_at_line(*line);
  } else if (auto* answer = std::get_if<port::HttpRespond>(&effect)) {
    answer_ = std::move(*answer);
  } else {
    disk_.submit(std::move(effect));
  }
}

void Host::look_at_line(const port::LogLine& line) {
  scene_.trace.say(scene_.now(), fmt::format("log {}: {}", line.code, line.text));
  scene_.probe("log." + line.code);
}

void Host::look_at_phase() {
  if (!is_up()) return;
  const node::Phase phase = node_->phase();
  if (phase == node::Phase::kFailed) {
    if (!scene_.damaged) {
      scene_.violate("G12", "the node refuses undamaged data: " + node_->failure());
    }
    scene_.probe("node_refused_to_start");
    node_.reset();
    disk_.crash(Crash::kProcess);
    network_.set_listening(false);
  } else if (phase == node::Phase::kStopped) {
    scene_.note("stopped", boots_);
    scene_.probe("clean_stop");
    node_.reset();
    disk_.crash(Crash::kProcess);
    network_.set_listening(false);
  }
}

}  // namespace magpie::sim
