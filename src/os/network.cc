#include "os/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "os/accept_limits.h"
#include "os/address.h"
#include "os/clock.h"
#include "os/connection.h"
#include "os/link_setup.h"
#include "os/listener.h"
#include "os/socket_options.h"

namespace magpie::os {
namespace {

constexpr Duration kSweepMax = Duration::seconds(5);
constexpr Duration kSweepMin = Duration::milliseconds(10);

Duration sweep_interval(const ConnectionLimits& limits) {
  const Duration shortest = std::min({limits.idle_max, limits.stalled_max, limits.drain_max});
  return std::clamp(Duration::nanoseconds(shortest.nanos / 4), kSweepMin, kSweepMax);
}

size_t index_of(ListenerKind kind) {
  return static_cast<size_t>(kind);
}

}  // namespace

class Network::Core final : public ConnectionHost {
 public:
  Core(EventLoop& loop, Resolver& resolver, const NetworkLimits& limits, const LinkConfig& links,
       LogSink& log, std::vector<port::Event>& events)
      : loop_(loop),
        limits_(limits),
        links_(links),
        log_(log),
        events_(events),
        now_(read_clocks()),
        count_(limits.connections, limits.connections_per_address),
        link_setup_(loop.context(), resolver, links_, log),
        next_sweep_(now_.instant) {}

  ~Core() override {
    for (auto& entry : connections_) stopped_.push_back(entry.second);
    shutting_down_ = true;
    for (const auto& connection : stopped_) connection->close("the server stops");
  }

  Status listen(const std::vector<ListenerConfig>& configs);
  void stop_listening();
  uint16_t port(port::ListenerIndex listener) const;
  void begin_turn(const Now& now);
  Connection* find(port::ConnectionId id);
  void flush_all();
  void connect(const port::Connect& effect);
  bool give_up(port::ConnectionId id);
  Instant next_deadline() const;
  size_t connections() const { return connections_.size(); }
  uint64_t queued_bytes() const { return queued_bytes_[0] + queued_bytes_[1]; }

  // ConnectionHost
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
  void queued_bytes_changed(ListenerKind kind, int64_t difference) override {
    uint64_t& queued = queued_bytes_[index_of(kind)];
    queued = static_cast<uint64_t>(static_cast<int64_t>(queued) + difference);
  }
  void forget(Connection& connection) override;

 private:
  using ConnectionRef = std::shared_ptr<Connection>;

  const ConnectionLimits& limits_of(ListenerKind kind) const {
    return kind == ListenerKind::kLinks ? links_.limits : limits_;
  }
  void start_listening(uint32_t index, ListenerKind kind, std::vector<tcp::acceptor> acceptors);
  void on_accept(uint32_t listener, tcp::socket socket);
  void on_accept_link(uint32_t listener, tcp::socket socket);
  Status count_link() const;
  void open_link(port::ConnectionId id, uint32_t listener, ReadyLink link);
  void enforce_memory(ListenerKind kind);

  EventLoop& loop_;
  const NetworkLimits limits_;
  const LinkConfig links_;
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
  size_t open_links_ = 0;
  LinkSetup link_setup_;
  std::unordered_map<uint64_t, uint64_t> connecting_;  // own ConnectionId → number in link_setup_
  std::vector<ConnectionRef> stopped_;
  std::vector<ConnectionRef> to_flush_;
  std::vector<ConnectionRef> to_flush_next_turn_;
  std::vector<ConnectionRef> to_resume_;
  std::vector<iovec> write_pieces_;
  uint64_t queued_bytes_[2] = {};  // by ListenerKind
  Instant next_sweep_;
};

Status Network::Core::listen(const std::vector<ListenerConfig>& configs) {
  if (Status ready = link_setup_.open(); !ready) return ready;
  std::vector<std::vector<tcp::acceptor>> opened;
  for (const ListenerConfig& config : configs) {
    auto acceptors = open_acceptors(loop_.context(), config, "listener " + config.name);
    if (!acceptors) return fail(acceptors.error());
    opened.push_back(std::move(*acceptors));
  }
  for (uint32_t index = 0; index < opened.size(); ++index) {
    start_listening(index, configs[index].kind, std::move(opened[index]));
  }
  return {};
}

void Network::Core::start_listening(uint32_t index, ListenerKind kind,
                                    std::vector<tcp::acceptor> acceptors) {
  std::vector<std::unique_ptr<Listener>>& listeners = listeners_.emplace_back();
  for (tcp::acceptor& acceptor : acceptors) {
    const bool links = kind == ListenerKind::kLinks;
    if (links) set_link_buffers(acceptor.native_handle(), links_);
    listeners.push_back(
        std::make_unique<Listener>(std::move(acceptor), limits_.accepts_per_second, now_.instant));
    listeners.back()->start(
        [this, index, links](tcp::socket socket) {
          links ? on_accept_link(index, std::move(socket)) : on_accept(index, std::move(socket));
        },
        [this](const ErrorCode& error) {
          log(port::Severity::kError, "connection.accept_failed",
              fmt::format("cannot take new connections: {}; raise the limit of open files or "
                          "lower limits.connections",
                          error.message()));
        });
  }
}

void Network::Core::stop_listening() {
  for (auto& listeners : listeners_) {
    for (auto& listener : listeners) listener->stop();
  }
}

uint16_t Network::Core::port(port::ListenerIndex listener) const {
  CHECK(listener.value < listeners_.size());
  return listeners_[listener.value].front()->port();
}

void Network::Core::on_accept(uint32_t listener, tcp::socket socket) {
  ErrorCode error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const std::string address = to_text(remote.address());
  if (Status counted = count_.add(address); !counted) {
    log(port::Severity::kWarning, "connection.refused",
        fmt::format("refused a connection from {}: {}", address, counted.error().message));
    return;  // closes the socket
  }
  set_client_options(socket);
  socket.non_blocking(true, error);
  const port::ConnectionId id{++last_id_};
  const std::string peer = to_text(remote);
  auto connection = std::make_shared<Connection>(*this, ListenerKind::kClients, limits_, id, peer,
                                                 address, make_plain_stream(std::move(socket)));
  connections_.emplace(id.value, connection);
  deliver(port::ConnectionOpened{id, port::ListenerIndex{listener}, peer, {}});
  connection->start();
}

// --- links --------------------------------------------------------------------------------------

Status Network::Core::count_link() const {
  if (open_links_ + link_setup_.size() < links_.connections) return {};
  return fail(ErrorKind::kLimit, fmt::format("all {} links are in use", links_.connections));
}

void Network::Core::on_accept_link(uint32_t listener, tcp::socket socket) {
  ErrorCode error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const auto refused = [this, peer = to_text(remote)](const std::string& why) {
    log(port::Severity::kWarning, "link.refused",
        fmt::format("refused a link from {}: {}", peer, why));
  };
  if (Status counted = count_link(); !counted) {
    refused(counted.error().message);
    return;  // closes the socket
  }
  link_setup_.accept(std::move(socket), [this, listener, refused](Result<ReadyLink> link) {
    if (!link) {
      refused(link.error().message);
    } else {
      open_link({++last_id_}, listener, std::move(*link));
    }
  });
}

void Network::Core::connect(const port::Connect& effect) {
  const port::ConnectionId id = effect.connection;
  CHECK((id.value & port::kOwnConnectionBit) != 0);
  CHECK(!connecting_.contains(id.value) && !connections_.contains(id.value));
  if (Status counted = count_link(); !counted) {
    deliver(port::ConnectionClosed{id, counted.error().message});
    return;
  }
  const auto on_done = [this, id](Result<ReadyLink> link) {
    connecting_.erase(id.value);
    if (!link) {
      deliver(port::ConnectionClosed{id, link.error().message});
    } else {
      open_link(id, 0, std::move(*link));
    }
  };
  const uint64_t number = link_setup_.connect(effect.host, static_cast<uint16_t>(effect.port),
                                              effect.peer_name, on_done);
  connecting_.emplace(id.value, number);
}

bool Network::Core::give_up(port::ConnectionId id) {
  const auto found = connecting_.find(id.value);
  if (found == connecting_.end()) return false;
  link_setup_.cancel(found->second);
  connecting_.erase(found);
  deliver(port::ConnectionClosed{id, "given up before it was open"});
  return true;
}

void Network::Core::open_link(port::ConnectionId id, uint32_t listener, ReadyLink link) {
  auto connection = std::make_shared<Connection>(*this, ListenerKind::kLinks, links_.limits, id,
                                                 link.peer, link.address, std::move(link.stream));
  connections_.emplace(id.value, connection);
  ++open_links_;
  deliver(port::ConnectionOpened{id, port::ListenerIndex{listener}, link.peer, link.peer_name});
  connection->start();
}

// --- turns --------------------------------------------------------------------------------------

Connection* Network::Core::find(port::ConnectionId id) {
  const auto found = connections_.find(id.value);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Network::Core::forget(Connection& connection) {
  if (connection.kind() == ListenerKind::kLinks) {
    --open_links_;
  } else {
    count_.remove(connection.address());
  }
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
  next_sweep_ = now.instant + std::min(sweep_interval(limits_), sweep_interval(links_.limits));
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
  enforce_memory(ListenerKind::kClients);
  enforce_memory(ListenerKind::kLinks);
}

void Network::Core::enforce_memory(ListenerKind kind) {
  const uint64_t most = limits_of(kind).send_queues_bytes;
  while (queued_bytes_[index_of(kind)] > most) {
    ConnectionRef longest;
    for (const auto& entry : connections_) {
      const ConnectionRef& other = entry.second;
      if (other->kind() != kind) continue;
      if (longest == nullptr || other->queued_bytes() > longest->queued_bytes()) longest = other;
    }
    CHECK(longest != nullptr);
    log(port::Severity::kWarning, "connection.slow_reader",
        fmt::format("closed {}: bytes waiting for all connections exceed {} and this one has the "
                    "longest queue, {} bytes",
                    longest->peer(), most, longest->queued_bytes()));
    longest->close("slow reader: memory for waiting bytes is used up");
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

Network::Network(EventLoop& loop, Resolver& resolver, const NetworkLimits& limits,
                 const LinkConfig& links, LogSink& log, std::vector<port::Event>& events)
    : core_(std::make_unique<Core>(loop, resolver, limits, links, log, events)) {}

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

void Network::carry_out(const port::Connect& effect) {
  core_->connect(effect);
}

void Network::carry_out(const port::CloseConnection& effect) {
  if (core_->give_up(effect.connection)) return;
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

void Network::carry_out(const port::StopListening& /*effect*/) {
  core_->stop_listening();
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
