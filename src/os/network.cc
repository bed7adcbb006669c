#include "os/network.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "os/accept_limits.h"
#include "os/clock.h"
#include "os/connection.h"
#include "os/listener.h"

namespace magpie::os {
namespace {

constexpr Duration kSweepMax = Duration::seconds(5);
constexpr Duration kSweepMin = Duration::milliseconds(10);

// Load balancers and firewalls drop idle connections without telling either side; these probes
// keep them alive, and find out within two minutes when the other side is gone.
void set_options(tcp::socket& socket) {
  const int on = 1;
  const int idle_seconds = 60;
  const int interval_seconds = 15;
  const int probes = 4;
  const int handle = socket.native_handle();
  // A refusal leaves a slower connection, not a wrong one.
  (void)::setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(handle, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)::setsockopt(handle, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  (void)::setsockopt(handle, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds,
                     sizeof interval_seconds);
  (void)::setsockopt(handle, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

std::string address_text(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

Duration sweep_interval(const NetworkLimits& limits) {
  const Duration shortest = std::min({limits.idle_max, limits.stalled_max, limits.drain_max});
  return std::clamp(Duration::nanoseconds(shortest.nanos / 4), kSweepMin, kSweepMax);
}

}  // namespace

class Network::Core final : public ConnectionHost {
 public:
  Core(EventLoop& loop, const NetworkLimits& limits, LogSink& log, std::vector<port::Event>& events)
      : loop_(loop),
        limits_(limits),
        log_(log),
        events_(events),
        now_(read_clocks()),
        count_(limits.connections, limits.connections_per_address),
        next_sweep_(now_.instant) {}

  ~Core() override {
    for (auto& entry : connections_) stopped_.push_back(entry.second);
    shutting_down_ = true;
    for (const auto& connection : stopped_) connection->close("the server stops");
  }

  Status listen(const std::vector<ListenerConfig>& configs);
  uint16_t port(port::ListenerIndex listener) const;
  void begin_turn(const Now& now);
  Connection* find(port::ConnectionId id);
  void flush_all();
  void enforce_memory();
  Instant next_deadline() const;
  size_t connections() const { return connections_.size(); }
  uint64_t queued_bytes() const { return queued_bytes_; }

  // ConnectionHost
  const NetworkLimits& limits() const override { return limits_; }
  // Handlers run before begin_turn() tells the time, so the first one in a turn looks itself.
  Now now() const override {
    if (now_is_old_) now_ = read_clocks();
    now_is_old_ = false;
    return now_;
  }
  uint64_t turn() const override { return turn_; }
  void deliver(port::Event event) override {
    if (!shutting_down_) events_.push_back(std::move(event));
  }
  void log(port::Severity severity, const char* code, std::string text) override {
    log_.write(now(), {severity, code, std::move(text)});
  }
  void flush_later(Connection& connection) override {
    to_flush_.push_back(connection.shared_from_this());
  }
  void flush_next_turn(Connection& connection) override {
    to_flush_next_turn_.push_back(connection.shared_from_this());
  }
  void resume_later(Connection& connection) override {
    to_resume_.push_back(connection.shared_from_this());
  }
  std::vector<iovec>& write_pieces() override { return write_pieces_; }
  void queued_bytes_changed(int64_t difference) override {
    queued_bytes_ = static_cast<uint64_t>(static_cast<int64_t>(queued_bytes_) + difference);
  }
  void forget(Connection& connection) override;

 private:
  using ConnectionRef = std::shared_ptr<Connection>;

  void on_accept(uint32_t listener, tcp::socket socket);

  EventLoop& loop_;
  const NetworkLimits limits_;
  LogSink& log_;
  std::vector<port::Event>& events_;
  mutable Now now_;
  mutable bool now_is_old_ = false;
  uint64_t turn_ = 1;
  bool shutting_down_ = false;

  std::vector<std::vector<std::unique_ptr<Listener>>> listeners_;  // by ListenerIndex
  ConnectionCount count_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, ConnectionRef> connections_;
  std::vector<ConnectionRef> stopped_;
  std::vector<ConnectionRef> to_flush_;
  std::vector<ConnectionRef> to_flush_next_turn_;
  std::vector<ConnectionRef> to_resume_;
  std::vector<iovec> write_pieces_;
  uint64_t queued_bytes_ = 0;
  Instant next_sweep_;
};

Status Network::Core::listen(const std::vector<ListenerConfig>& configs) {
  std::vector<std::vector<tcp::acceptor>> opened;
  for (const ListenerConfig& config : configs) {
    auto acceptors = open_acceptors(loop_.context(), config, "listener " + config.name);
    if (!acceptors) return fail(acceptors.error());
    opened.push_back(std::move(*acceptors));
  }
  for (uint32_t index = 0; index < opened.size(); ++index) {
    std::vector<std::unique_ptr<Listener>>& listeners = listeners_.emplace_back();
    for (tcp::acceptor& acceptor : opened[index]) {
      listeners.push_back(std::make_unique<Listener>(std::move(acceptor),
                                                     limits_.accepts_per_second, now_.instant));
      listeners.back()->start(
          [this, index](tcp::socket socket) { on_accept(index, std::move(socket)); },
          [this](const ErrorCode& error) {
            log(port::Severity::kError, "connection.accept_failed",
                fmt::format("cannot take new connections: {}; raise the limit of open files or "
                            "lower limits.connections",
                            error.message()));
          });
    }
  }
  return {};
}

uint16_t Network::Core::port(port::ListenerIndex listener) const {
  CHECK(listener.value < listeners_.size());
  return listeners_[listener.value].front()->port();
}

void Network::Core::on_accept(uint32_t listener, tcp::socket socket) {
  ErrorCode error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const std::string address = address_text(remote.address());
  if (Status counted = count_.add(address); !counted) {
    log(port::Severity::kWarning, "connection.refused",
        fmt::format("refused a connection from {}: {}", address, counted.error().message));
    return;  // closes the socket
  }
  set_options(socket);
  socket.non_blocking(true, error);
  const port::ConnectionId id{++last_id_};
  const std::string peer = address.find(':') == std::string::npos
                               ? fmt::format("{}:{}", address, remote.port())
                               : fmt::format("[{}]:{}", address, remote.port());
  auto connection =
      std::make_shared<Connection>(*this, id, peer, address, make_plain_stream(std::move(socket)));
  connections_.emplace(id.value, connection);
  deliver(port::ConnectionOpened{id, port::ListenerIndex{listener}, peer});
  connection->start();
}

Connection* Network::Core::find(port::ConnectionId id) {
  const auto found = connections_.find(id.value);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Network::Core::forget(Connection& connection) {
  count_.remove(connection.address());
  connections_.erase(connection.id().value);
}

void Network::Core::begin_turn(const Now& now) {
  now_ = now;
  now_is_old_ = false;
  for (auto& listeners : listeners_) {
    for (auto& listener : listeners) listener->begin_turn(now.instant);
  }
  std::vector<ConnectionRef> resuming = std::exchange(to_resume_, {});
  for (const ConnectionRef& connection : resuming) connection->resume_reading();
  for (ConnectionRef& connection : to_flush_next_turn_) to_flush_.push_back(std::move(connection));
  to_flush_next_turn_.clear();
  if (now.instant < next_sweep_) return;
  next_sweep_ = now.instant + sweep_interval(limits_);
  std::vector<ConnectionRef> all;
  all.reserve(connections_.size());
  for (const auto& entry : connections_) all.push_back(entry.second);
  for (const ConnectionRef& connection : all) connection->check_deadlines();
}

void Network::Core::flush_all() {
  // Flushing may close a connection, but it never makes another one need a flush.
  for (size_t i = 0; i < to_flush_.size(); ++i) {
    const ConnectionRef connection = to_flush_[i];
    connection->flush();
  }
  to_flush_.clear();
  ++turn_;
  now_is_old_ = true;
  if (queued_bytes_ > limits_.send_queues_bytes) enforce_memory();
}

void Network::Core::enforce_memory() {
  while (queued_bytes_ > limits_.send_queues_bytes) {
    const auto longest = std::max_element(
        connections_.begin(), connections_.end(), [](const auto& a, const auto& b) {
          return a.second->queued_bytes() < b.second->queued_bytes();
        });
    CHECK(longest != connections_.end());
    const ConnectionRef connection = longest->second;
    log(port::Severity::kWarning, "connection.slow_reader",
        fmt::format("closed {}: responses waiting for all connections exceed {} bytes and this one "
                    "has the longest queue, {} bytes",
                    connection->peer(), limits_.send_queues_bytes, connection->queued_bytes()));
    connection->close("slow reader: memory for waiting responses is used up");
  }
}

Instant Network::Core::next_deadline() const {
  if (!to_resume_.empty() || !to_flush_next_turn_.empty() || !to_flush_.empty()) {
    return now_.instant;
  }
  Instant next = connections_.empty() ? Instant::never() : next_sweep_;
  for (const auto& listeners : listeners_) {
    for (const auto& listener : listeners) next = std::min(next, listener->next_deadline());
  }
  return next;
}

// --- the interface ------------------------------------------------------------------------------

Network::Network(EventLoop& loop, const NetworkLimits& limits, LogSink& log,
                 std::vector<port::Event>& events)
    : core_(std::make_unique<Core>(loop, limits, log, events)) {}

Network::~Network() = default;

Status Network::listen(const std::vector<ListenerConfig>& listeners) {
  return core_->listen(listeners);
}

uint16_t Network::port(port::ListenerIndex listener) const {
  return core_->port(listener);
}

void Network::begin_turn(const Now& now) {
  core_->begin_turn(now);
}

void Network::carry_out(port::Send effect) {
  if (Connection* connection = core_->find(effect.connection)) {
    connection->send(std::move(effect.bytes));
  }
}

void Network::carry_out(const port::CloseConnection& effect) {
  Connection* connection = core_->find(effect.connection);
  if (connection == nullptr) return;
  if (effect.flush) {
    connection->drain("closed by the server");
  } else {
    connection->close("closed by the server");
  }
}

void Network::carry_out(const port::SetReading& effect) {
  if (Connection* connection = core_->find(effect.connection)) {
    connection->set_reading(effect.enabled);
  }
}

void Network::flush() {
  core_->flush_all();
}

Instant Network::next_deadline() const {
  return core_->next_deadline();
}

size_t Network::connections() const {
  return core_->connections();
}

uint64_t Network::queued_bytes() const {
  return core_->queued_bytes();
}

}  // namespace magpie::os
