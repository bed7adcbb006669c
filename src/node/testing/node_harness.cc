#include "node/testing/node_harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::node::testing {
namespace {

// 2026-01-01, so that timestamps look real.
constexpr int64_t kFirstWallMillis = 1'767'225'600'000;
// A node that is due more often than this without time passing goes round in circles.
constexpr int kMostTurns = 100'000;

}  // namespace

NodeHarness::NodeHarness() : now_{Instant{1'000'000'000}, WallTime{kFirstWallMillis}} {
  config.listeners = {{"client", "magpie.example", 9092}};
  config.group_initial_rebalance_delay = Duration{};
}

void NodeHarness::start_node() {
  CHECK(node_ == nullptr);
  node_ = std::make_unique<Node>(config,
                                 static_cast<uint64_t>(config.node_id.value) * 1'000 + ++boots_);
  node_->start(now_, effects_);
}

void NodeHarness::boot() {
  listening = true;
  start_node();
  settle();
}

void NodeHarness::boot_until(const std::function<bool()>& condition) {
  start_node();
  while (!condition() && turn()) {
  }
}

void NodeHarness::boot_until_serving() {
  boot_until([this] { return phase() != Phase::kStarting; });
}

void NodeHarness::request_stop() {
  step(port::StopRequested{});
}

void NodeHarness::stop() {
  request_stop();
  EXPECT_EQ(phase(), Phase::kStopped);
  crash();
}

void NodeHarness::crash() {
  node_.reset();
  effects_.clear();
  disk.forget_results();
  for (auto& [id, connection] : connections_) connection.open = false;
}

void NodeHarness::step(port::Event event) {
  node_->step(now_, std::move(event), effects_);
  settle();
}

bool NodeHarness::turn() {
  carry_out();
  if (auto done = disk.next_done()) {
    node_->step(now_, std::move(*done), effects_);
  } else if (node_->next_deadline() <= now_.instant) {
    node_->tick(now_, effects_);
  } else {
    return !effects_.empty();
  }
  return true;
}

void NodeHarness::settle() {
  for (int turns = 0; turns < kMostTurns; ++turns) {
    if (!turn()) return;
  }
  FAIL() << "the node does not come to rest";
}

void NodeHarness::advance(Duration duration) {
  const Instant end = now_.instant + duration;
  while (advance_to_next(end - now_.instant)) {
  }
  now_.wall.millis += (end - now_.instant).to_milliseconds();
  now_.instant = end;
}

bool NodeHarness::advance_to_next(Duration longest) {
  const Instant next = node_->next_deadline();
  if (next == Instant::never() || next > now_.instant + longest) return false;
  // Whole milliseconds, so that the two clocks do not drift apart.
  const int64_t millis = (next - now_.instant).nanos / 1'000'000 + 1;
  now_.wall.millis += millis;
  now_.instant = now_.instant + Duration::milliseconds(millis);
  settle();
  return true;
}

// --- connections ---------------------------------------------------------------------------------

port::ConnectionId NodeHarness::connect(port::ListenerIndex listener) {
  const port::ConnectionId id{next_connection_++};
  connections_[id] = {};
  step(port::ConnectionOpened{id, listener, "127.0.0.1:50000"});
  return id;
}

void NodeHarness::disconnect(port::ConnectionId connection) {
  connections_.at(connection).open = false;
  step(port::ConnectionClosed{connection, "the client closed it"});
}

void NodeHarness::send(port::ConnectionId connection, Buffer frame) {
  step(port::FrameReceived{connection, std::move(frame)});
}

port::HttpRespond NodeHarness::http(const std::string& method, const std::string& target,
                                    const std::string& body) {
  auto answer = take_http(begin_http(method, target, body));
  EXPECT_TRUE(answer) << target << " was not answered";
  return answer ? std::move(*answer) : port::HttpRespond{};
}

port::HttpExchangeId NodeHarness::begin_http(const std::string& method, const std::string& target,
                                             const std::string& body) {
  const port::HttpExchangeId exchange{next_exchange_++};
  step(port::HttpRequestReceived{exchange, method, target, body});
  return exchange;
}

std::optional<port::HttpRespond> NodeHarness::take_http(port::HttpExchangeId exchange) {
  auto answer = http_answers_.extract(exchange);
  if (answer.empty()) return std::nullopt;
  return std::move(answer.mapped());
}

bool NodeHarness::has_logged(const std::string& code) const {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const port::LogLine& line) { return line.code == code; });
}

// --- effects -------------------------------------------------------------------------------------

void NodeHarness::carry_out() {
  std::vector<port::Effect> list;
  list.swap(effects_.list());
  for (port::Effect& effect : list) carry_out(effect);
}

void NodeHarness::carry_out(port::Effect& effect) {
  if (outside && outside(effect)) return;
  if (auto* send = std::get_if<port::Send>(&effect)) {
    ConnectionState& connection = connections_.at(send->connection);
    if (connection.open) connection.received += flatten(send->bytes).text();
  } else if (auto* close = std::get_if<port::CloseConnection>(&effect)) {
    ConnectionState& connection = connections_.at(close->connection);
    if (!close->flush) connection.received.clear();  // as likely as not it was not sent yet
    if (std::exchange(connection.open, false)) {
      node_->step(now_, port::ConnectionClosed{close->connection, "as asked"}, effects_);
    }
  } else if (auto* reading = std::get_if<port::SetReading>(&effect)) {
    connections_.at(reading->connection).reading = reading->enabled;
  } else if (std::holds_alternative<port::StopListening>(effect)) {
    listening = false;
  } else if (auto* respond = std::get_if<port::HttpRespond>(&effect)) {
    http_answers_[respond->exchange] = std::move(*respond);
  } else if (auto* line = std::get_if<port::LogLine>(&effect)) {
    lines.push_back(std::move(*line));
  } else {
    disk.submit(effect);
  }
}

}  // namespace magpie::node::testing
