#include "os/driver.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "os/clock.h"
#include "os/resolver.h"

namespace magpie::os {
namespace {

// Pieces of input handled before the node is stepped and the output written. More would save a
// little and delay the first response.
constexpr size_t kHandlersPerTurn = 256;

}  // namespace

// Hands each effect to the part that carries it out.
struct Driver::Carrier {
  Driver& driver;

  void operator()(port::Connect& effect) { driver.network_->carry_out(effect); }
  void operator()(port::Send& effect) { driver.network_->carry_out(std::move(effect)); }
  void operator()(port::CloseConnection& effect) { driver.network_->carry_out(effect); }
  void operator()(port::SetReading& effect) { driver.network_->carry_out(effect); }
  void operator()(port::StopListening& effect) { driver.network_->carry_out(effect); }
  void operator()(port::HttpRespond& effect) {
    if (driver.admin_ != nullptr) driver.admin_->carry_out(std::move(effect));
  }
  void operator()(port::HttpStream& effect) {
    if (driver.admin_ != nullptr) driver.admin_->carry_out(effect);
  }
  void operator()(port::HttpStreamPart& effect) {
    if (driver.admin_ != nullptr) driver.admin_->carry_out(std::move(effect));
  }
  void operator()(port::HttpCall& effect) { driver.http_client_->carry_out(std::move(effect)); }
  void operator()(port::CancelHttpCall& effect) { driver.http_client_->carry_out(effect); }
  void operator()(port::LogLine& line) { driver.log_.write(driver.now_, line); }
  template <typename T>
  void operator()(T& effect) {
    static_assert(port::kIsDiskEffect<T>);
    driver.disk_->carry_out(std::move(effect));
  }
};

Result<std::unique_ptr<Driver>> Driver::open(const DriverConfig& config, Machine& machine,
                                             LogSink& log, FileCalls& calls) {
  std::unique_ptr<Driver> driver(new Driver(machine, log));
  if (Status opened = driver->open_all(config, calls); !opened) return fail(opened.error());
  return driver;
}

Driver::Driver(Machine& machine, LogSink& log)
    : machine_(machine), log_(log), now_(read_clocks()) {}

Driver::~Driver() {
  if (stop_descriptor_ >= 0) ::close(stop_descriptor_);
}

Status Driver::open_all(const DriverConfig& config, FileCalls& calls) {
  stop_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_descriptor_ < 0) {
    return fail(ErrorKind::kLimit, std::string("cannot make an eventfd: ") + strerror(errno));
  }
  auto lock = DataLock::take(config.disk.directory);
  if (!lock) return fail(lock.error());
  lock_ = std::move(*lock);
  auto disk = Disk::open(config.disk, calls);
  if (!disk) return fail(disk.error());
  disk_ = std::move(*disk);

  resolver_ = std::make_unique<Resolver>(loop_);
  network_ =
      std::make_unique<Network>(loop_, *resolver_, config.network, config.links, log_, inbox_);
  if (Status listening = network_->listen(config.listeners); !listening) return listening;
  if (config.admin.has_value()) {
    admin_ = std::make_unique<HttpServer>(loop_, *config.admin, log_, inbox_);
    if (Status listening = admin_->listen(); !listening) return listening;
  }
  http_client_ = std::make_unique<HttpClient>(loop_, *resolver_, config.http_client, log_, inbox_);
  if (Status opened = http_client_->open(); !opened) return opened;
  loop_.watch(stop_descriptor_, [this] {
    eventfd_t ignored = 0;
    (void)::eventfd_read(stop_descriptor_, &ignored);
    inbox_.emplace_back(port::StopRequested{});
  });
  // Completions are collected in every turn; this only ends the wait.
  loop_.watch(disk_->descriptor(), [this] { disk_->collect(inbox_); });
  return {};
}

int Driver::run() {
  now_ = read_clocks();
  machine_.start(now_, effects_);
  carry_out_all();
  while (machine_.phase() == MachinePhase::kWorking) run_turn();
  if (machine_.phase() == MachinePhase::kStopped) return kExitStopped;
  log_.write(now_, {port::Severity::kError, "node.failed", machine_.failure()});
  return kExitFailed;
}

void Driver::run_turn() {
  loop_.run_turn(until_next_deadline(), kHandlersPerTurn);
  now_ = read_clocks();
  network_->begin_turn(now_);
  if (admin_ != nullptr) admin_->begin_turn(now_);
  disk_->collect(inbox_);
  step_all();
  if (now_.instant >= machine_.next_deadline()) machine_.tick(now_, effects_);
  carry_out_all();
}

Duration Driver::until_next_deadline() const {
  if (!inbox_.empty()) return Duration{};
  Instant next = std::min(machine_.next_deadline(), network_->next_deadline());
  if (admin_ != nullptr) next = std::min(next, admin_->next_deadline());
  if (next == Instant::never()) return Duration::max();
  return next - read_clocks().instant;
}

void Driver::step_all() {
  events_.swap(inbox_);
  for (port::Event& event : events_) machine_.step(now_, std::move(event), effects_);
  events_.clear();
}

void Driver::carry_out_all() {
  for (port::Effect& effect : effects_.list()) std::visit(Carrier{*this}, effect);
  effects_.clear();
  network_->flush();
  disk_->collect(inbox_);
}

}  // namespace magpie::os
