#include "os/http_server.h"

#include <fmt/format.h>

#include <map>
#include <unordered_map>

#include "base/check.h"
#include "os/clock.h"
#include "os/http_session.h"
#include "os/listener.h"

namespace magpie::os {
namespace {

constexpr uint32_t kAcceptsPerSecond = 500;

}  // namespace

class HttpServer::Core final : public HttpSessionHost, public std::enable_shared_from_this<Core> {
 public:
  Core(EventLoop& loop, const HttpConfig& config, LogSink& log, std::vector<port::Event>& events)
      : loop_(loop), config_(config), log_(log), events_(events), now_(read_clocks()) {}

  Status listen() {
    auto acceptors =
        open_acceptors(loop_.context(), {"admin", config_.host, config_.port}, "admin port");
    if (!acceptors) return fail(acceptors.error());
    for (tcp::acceptor& acceptor : *acceptors) {
      listeners_.push_back(
          std::make_unique<Listener>(std::move(acceptor), kAcceptsPerSecond, now_.instant));
      listeners_.back()->start([this](tcp::socket socket) { on_accept(std::move(socket)); },
                               [this](const ErrorCode& error) { on_accept_error(error); });
    }
    return {};
  }

  uint16_t port() const { return listeners_.front()->port(); }

  void begin_turn(const Now& now) {
    now_ = now;
    for (auto& listener : listeners_) listener->begin_turn(now.instant);
    // Exchanges wait in the order of their deadlines.
    while (!waiting_.empty() && now.instant >= waiting_.begin()->second.deadline) {
      const auto session = take(waiting_.begin()->first);
      session->respond(503, "text/plain", "the node did not answer in time; try again\n");
    }
  }

  void carry_out(port::HttpRespond effect) {
    const auto session = take(effect.exchange.value);
    if (session == nullptr) return;  // answered with 503 already
    session->respond(static_cast<unsigned>(effect.status), effect.content_type,
                     std::move(effect.body));
  }

  void carry_out(const port::HttpStream& effect) {
    const auto session = take(effect.exchange.value);
    if (session == nullptr) {
      events_.emplace_back(port::HttpExchangeClosed{effect.exchange});  // answered with 503 already
      return;
    }
    streams_.emplace(effect.exchange.value, session);
    session->begin_stream(effect.exchange, static_cast<unsigned>(effect.status),
                          effect.content_type);
  }

  void carry_out(port::HttpStreamPart effect) {
    const auto found = streams_.find(effect.exchange.value);
    if (found == streams_.end()) return;  // the client went away
    const auto session = found->second;
    if (effect.last) streams_.erase(found);
    session->add_part(std::move(effect.bytes), effect.last);
  }

  Instant next_deadline() const {
    Instant next = waiting_.empty() ? Instant::never() : waiting_.begin()->second.deadline;
    for (const auto& listener : listeners_) next = std::min(next, listener->next_deadline());
    return next;
  }

  void stop() {
    stopped_ = true;
    listeners_.clear();
    std::exchange(waiting_, {});
    std::exchange(streams_, {});
  }

  // HttpSessionHost
  const HttpConfig& config() const override { return config_; }
  void ended() override { --sessions_; }
  void request(std::shared_ptr<HttpSession> session, port::HttpRequestReceived request) override {
    if (stopped_) return;
    request.exchange = {++last_exchange_};
    waiting_.emplace(last_exchange_,
                     Exchange{read_clocks().instant + config_.answer_max, std::move(session)});
    events_.emplace_back(std::move(request));
  }
  void stream_broken(port::HttpExchangeId exchange, const std::string& why) override {
    if (stopped_) return;
    if (!why.empty()) {
      log_.write(read_clocks(), {port::Severity::kWarning, "admin.slow_reader",
                                 "ended a stream of the admin port: " + why});
    }
    if (streams_.erase(exchange.value) == 0) return;
    events_.emplace_back(port::HttpExchangeClosed{exchange});
  }

 private:
  struct Exchange {
    Instant deadline;
    std::shared_ptr<HttpSession> session;
  };

  void on_accept(tcp::socket socket) {
    if (sessions_ >= config_.connections) {
      log_.write(now_, {port::Severity::kWarning, "admin.refused",
                        fmt::format("refused a connection to the admin port: all {} are in use",
                                    sessions_)});
      return;
    }
    ++sessions_;
    std::make_shared<HttpSession>(shared_from_this(), std::move(socket))->read();
  }

  void on_accept_error(const ErrorCode& error) {
    log_.write(now_, {port::Severity::kError, "admin.accept_failed",
                      "cannot take connections to the admin port: " + error.message()});
  }

  std::shared_ptr<HttpSession> take(uint64_t exchange) {
    const auto found = waiting_.find(exchange);
    if (found == waiting_.end()) return nullptr;
    std::shared_ptr<HttpSession> session = std::move(found->second.session);
    waiting_.erase(found);
    return session;
  }

  EventLoop& loop_;
  const HttpConfig config_;
  LogSink& log_;
  std::vector<port::Event>& events_;
  Now now_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  size_t sessions_ = 0;
  uint64_t last_exchange_ = 0;
  std::map<uint64_t, Exchange> waiting_;
  std::unordered_map<uint64_t, std::shared_ptr<HttpSession>>
      streams_;  // their last part is to come
};

HttpServer::HttpServer(EventLoop& loop, const HttpConfig& config, LogSink& log,
                       std::vector<port::Event>& events)
    : core_(std::make_shared<Core>(loop, config, log, events)) {}

HttpServer::~HttpServer() {
  core_->stop();
}

Status HttpServer::listen() {
  return core_->listen();
}

uint16_t HttpServer::port() const {
  return core_->port();
}

void HttpServer::begin_turn(const Now& now) {
  core_->begin_turn(now);
}

void HttpServer::carry_out(port::HttpRespond effect) {
  core_->carry_out(std::move(effect));
}

void HttpServer::carry_out(const port::HttpStream& effect) {
  core_->carry_out(effect);
}

void HttpServer::carry_out(port::HttpStreamPart effect) {
  core_->carry_out(std::move(effect));
}

Instant HttpServer::next_deadline() const {
  return core_->next_deadline();
}

}  // namespace magpie::os
