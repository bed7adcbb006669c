#include "sim/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace magpie::sim {

void set_node_knobs(node::NodeConfig& config, const Knobs& knobs) {
  config.auto_create_topics = false;
  config.fsync = knobs.fsync;
  config.fsync_interval = knobs.fsync_interval;
  config.group_initial_rebalance_delay = Duration::milliseconds(100);
  config.retention_check_interval = knobs.upkeep_interval;
  config.compaction_interval = knobs.upkeep_interval;
  config.deleted_topics_kept = knobs.upkeep_interval;
  config.limits.recent_batches_bytes = knobs.recent_batches_bytes;
  config.limits.unanswered_bytes_per_connection = knobs.unanswered_bytes;
}

HostSettings host_settings(const Knobs& knobs, Place place) {
  HostSettings settings;
  settings.place = place;
  settings.config.listeners = {{"client", "magpie.example", 9092}};
  set_node_knobs(settings.config, knobs);
  return settings;
}

Host::Host(Scene& scene, HostSettings settings, Disk& disk, Network& network, SimStore* store)
    : scene_(scene),
      settings_(std::move(settings)),
      disk_(disk),
      network_(network),
      store_(store),
      machine_(network.add_machine(settings_.place)),
      random_(scene.random.fork()) {
  const auto deliver = [this](port::Event event) { step(std::move(event)); };
  disk_.set_deliver([this](port::DiskDone done) { step(std::move(done)); });
  network_.set_deliver(machine_, deliver);
  if (store_ != nullptr) caller_ = store_->add_caller(settings_.place, deliver);
  uint32_t index = 0;
  for (const node::AdvertisedListener& listener : settings_.config.listeners) {
    network_.add_listener(machine_, {listener.host, listener.port}, port::ListenerIndex{index++});
  }
  if (!settings_.config.cluster) return;
  const control::Address& link = settings_.config.cluster->link;
  network_.add_listener(machine_, {link.host, link.port}, settings_.config.cluster->link_listener);
}

Now Host::now() const {
  const int64_t nanos = scene_.now().nanos;
  const int64_t drift = nanos / 1'000'000 * settings_.clock_drift;
  return {Instant{nanos + drift + settings_.clock_offset.nanos},
          WallTime{scene_.wall().millis + wall_offset_}};
}

// Roughly: who is early finds that nothing is due, and plans again.
Instant Host::scene_time(Instant node_time) const {
  const int64_t nanos = node_time.nanos - settings_.clock_offset.nanos;
  return Instant{nanos - nanos / 1'000'000 * settings_.clock_drift};
}

void Host::boot() {
  CHECK(!is_up());
  scene_.note("boot", id().value, ++boots_);
  stopping_ = false;
  planned_tick_ = Instant::never();
  if (settings_.config.cluster) {
    settings_.config.cluster->machine_run = fmt::format("run-{}", power_losses_);
  }
  node_ = std::make_unique<node::Node>(settings_.config, random_.next());
  network_.set_listening(machine_, true);
  node_->start(now(), effects_);
  carry_out();
}

void Host::crash(Crash crash) {
  CHECK(is_up());
  scene_.note(crash == Crash::kPower ? "power loss" : "kill", id().value, boots_);
  go_down(crash);
}

void Host::lose_power() {
  if (is_up()) return crash(Crash::kPower);
  ++power_losses_;
  disk_.crash(Crash::kPower);
}

void Host::go_down(Crash crash) {
  if (crash == Crash::kPower) ++power_losses_;
  node_.reset();
  effects_.clear();
  paused_ = false;
  held_.clear();
  disk_.crash(crash);
  network_.set_listening(machine_, false);
  if (store_ != nullptr) store_->forget(caller_);
  for (auto& [exchange, then] : std::exchange(exchanges_, {})) then(std::nullopt);
}

void Host::put_back(std::map<std::string, SimFile> files) {
  CHECK(!is_up());
  disk_.files() = std::move(files);
  was_put_back_ = true;
}

void Host::empty_directory() {
  if (is_up()) crash(Crash::kPower);
  disk_.files().clear();
  was_put_back_ = refuses_directory_ = false;
}

void Host::request_stop() {
  if (!is_up() || stopping_) return;
  scene_.note("stop", id().value, boots_);
  stopping_ = true;
  step(port::StopRequested{});
}

void Host::pause(Duration duration) {
  if (!is_up() || paused_) return;
  scene_.note("pause", id().value);
  paused_ = true;
  scene_.queue.after(duration, [this, boot = boots_] {
    if (boot != boots_ || !paused_) return;
    paused_ = false;
    for (port::Event& event : std::exchange(held_, {})) step(std::move(event));
    tick_when_due();
  });
}

// --- the admin port ------------------------------------------------------------------------------

void Host::request(std::string method, std::string target, std::string body, HttpAnswer then) {
  if (!is_up()) return then(std::nullopt);
  const port::HttpExchangeId exchange{next_exchange_++};
  exchanges_[exchange] = std::move(then);
  step(port::HttpRequestReceived{exchange, std::move(method), std::move(target), std::move(body)});
}

port::HttpRespond Host::ask(const std::string& path) {
  CHECK(is_up());
  port::HttpRespond answered;
  request("GET", path, "", [&](const std::optional<port::HttpRespond>& respond) {
    CHECK(respond.has_value());
    answered = *respond;
  });
  return answered;
}

void Host::answer(port::HttpRespond respond) {
  auto found = exchanges_.extract(respond.exchange);
  if (!found.empty()) found.mapped()(std::move(respond));
}

// --- driving the node ----------------------------------------------------------------------------

void Host::step(port::Event event) {
  if (!is_up()) return;
  if (paused_) {
    held_.push_back(std::move(event));
    return;
  }
  node_->step(now(), std::move(event), effects_);
  carry_out();
}

void Host::plan_tick() {
  if (!is_up()) return;
  const Instant deadline = node_->next_deadline();
  if (deadline == Instant::never()) return;
  // A node that is always due does not stop time.
  const Instant when = std::max(scene_time(deadline), scene_.now() + Duration::microseconds(10));
  if (when >= planned_tick_) return;
  planned_tick_ = when;
  scene_.queue.at(when, [this, boot = boots_, when] {
    if (boot != boots_ || planned_tick_ != when) return;
    planned_tick_ = Instant::never();
    tick_when_due();
  });
}

void Host::tick_when_due() {
  if (!is_up() || paused_) return;
  const Now at = now();
  if (node_->next_deadline() <= at.instant) node_->tick(at, effects_);
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
    scene_.note("send", id().value, send->connection.value, size_of(send->bytes));
    network_.carry_out(machine_, *send);
  } else if (auto* close = std::get_if<port::CloseConnection>(&effect)) {
    network_.carry_out(machine_, *close);
  } else if (auto* reading = std::get_if<port::SetReading>(&effect)) {
    network_.carry_out(machine_, *reading);
  } else if (std::holds_alternative<port::StopListening>(effect)) {
    network_.stop_accepting(machine_);
  } else if (auto* connect = std::get_if<port::Connect>(&effect)) {
    network_.carry_out(machine_, *connect);
  } else if (auto* line = std::get_if<port::LogLine>(&effect)) {
    look_at_line(*line);
  } else if (auto* respond = std::get_if<port::HttpRespond>(&effect)) {
    answer(std::move(*respond));
  } else if (auto* call = std::get_if<port::HttpCall>(&effect)) {
    if (store_ != nullptr) store_->call(caller_, std::move(*call));
  } else if (auto* cancel = std::get_if<port::CancelHttpCall>(&effect)) {
    if (store_ != nullptr) store_->cancel(caller_, cancel->call);
  } else if (!std::holds_alternative<port::HttpStream>(effect) &&
             !std::holds_alternative<port::HttpStreamPart>(effect)) {
    disk_.submit(std::move(effect));
  }
}

void Host::look_at_line(const port::LogLine& line) {
  scene_.trace.say(scene_.now(), fmt::format("n{} log {}: {}", id().value, line.code, line.text));
  scene_.probe("log." + line.code);
}

void Host::look_at_phase() {
  if (!is_up()) return;
  const node::Phase phase = node_->phase();
  if (phase == node::Phase::kFailed) {
    // Its former directory still holds the lease, and whoever starts it tries again.
    const bool early = node_->failure().find("holds its lease") != std::string::npos;
    // So does who starts a node of a region that is out.
    const bool out = node_->failure().find("magpie region readmit") != std::string::npos;
    // And whose copy of the state, which is written late, does not have it yet, while the store is
    // one that it does not know.
    const bool strange = store_ != nullptr && store_->is_rolled_back();
    const bool old = was_put_back_ && node_->failure().find("was put back") != std::string::npos;
    refuses_directory_ |= old;
    if (!scene_.damaged && !early && !out && !strange && !old) {
      scene_.violate("G12", "the node refuses undamaged data: " + node_->failure());
    }
    scene_.probe("node_refused_to_start");
    go_down(Crash::kProcess);
  } else if (phase == node::Phase::kStopped) {
    scene_.note("stopped", id().value, boots_);
    scene_.probe("clean_stop");
    go_down(Crash::kProcess);
  }
}

}  // namespace magpie::sim
