#include "os/http_server.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <optional>

#include "base/check.h"
#include "os/asio.h"
//
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "os/clock.h"
#include "os/listener.h"

namespace magpie::os {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr uint32_t kAcceptsPerSecond = 500;

std::string text_of(beast::string_view view) {
  return std::string(view.data(), view.size());
}

class Session;

// What a session needs from the server.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const HttpConfig& config() const = 0;
  virtual void request(std::shared_ptr<Session> session, port::HttpRequestReceived request) = 0;
  virtual void ended() = 0;
};

// One connection. Kept alive by the operation under way or by the exchange that waits.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // The host ends before its sessions only when the process does not run the loop any more.
  Session(std::shared_ptr<SessionHost> host, tcp::socket socket)
      : host_(std::move(host)), stream_(std::move(socket)) {}
  ~Session() { host_->ended(); }

  void read() {
    parser_.emplace();
    parser_->body_limit(host_->config().body_bytes);
    parser_->header_limit(static_cast<uint32_t>(host_->config().header_bytes));
    set_timeout();
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const ErrorCode& error, size_t) { self->on_read(error); });
  }

  void respond(unsigned status, const std::string& content_type, std::string body) {
    response_ = {};
    response_.result(status);
    response_.version(11);
    response_.keep_alive(keep_alive_);
    if (!content_type.empty()) response_.set(http::field::content_type, content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.content_length(body.size());
    if (!is_head_) response_.body() = std::move(body);
    set_timeout();
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](const ErrorCode& error, size_t) { self->on_written(error); });
  }

 private:
  void set_timeout() {
    stream_.expires_after(std::chrono::nanoseconds(host_->config().idle_max.nanos));
  }

  void on_read(const ErrorCode& error) {
    if (error) {
      refuse(error);
      return;
    }
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    is_head_ = message.method() == http::verb::head;
    stream_.expires_never();
    host_->request(shared_from_this(), {.exchange = {},
                                        .method = text_of(message.method_string()),
                                        .target = text_of(message.target()),
                                        .body = message.body()});
  }

  // Requests that are not HTTP, or too large, are told so; a peer that went away is not.
  void refuse(const ErrorCode& error) {
    unsigned status = 400;
    if (error == http::error::end_of_stream || error == beast::error::timeout ||
        error.category() != make_error_code(http::error::bad_method).category()) {
      close();
      return;
    }
    if (error == http::error::body_limit) status = 413;
    if (error == http::error::header_limit) status = 431;
    keep_alive_ = false;
    is_head_ = false;
    respond(status, "text/plain", error.message() + "\n");
  }

  void on_written(const ErrorCode& error) {
    if (error || !keep_alive_) {
      close();
    } else {
      read();
    }
  }

  void close() {
    ErrorCode ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  std::shared_ptr<SessionHost> host_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = false;
  bool is_head_ = false;
};

}  // namespace

class HttpServer::Core final : public SessionHost, public std::enable_shared_from_this<Core> {
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

  Instant next_deadline() const {
    Instant next = waiting_.empty() ? Instant::never() : waiting_.begin()->second.deadline;
    for (const auto& listener : listeners_) next = std::min(next, listener->next_deadline());
    return next;
  }

  void stop() {
    stopped_ = true;
    listeners_.clear();
    std::exchange(waiting_, {});
  }

  // SessionHost
  const HttpConfig& config() const override { return config_; }
  void ended() override { --sessions_; }
  void request(std::shared_ptr<Session> session, port::HttpRequestReceived request) override {
    if (stopped_) return;
    request.exchange = {++last_exchange_};
    waiting_.emplace(last_exchange_,
                     Exchange{read_clocks().instant + config_.answer_max, std::move(session)});
    events_.emplace_back(std::move(request));
  }

 private:
  struct Exchange {
    Instant deadline;
    std::shared_ptr<Session> session;
  };

  void on_accept(tcp::socket socket) {
    if (sessions_ >= config_.connections) {
      log_.write(now_, {port::Severity::kWarning, "admin.refused",
                        fmt::format("refused a connection to the admin port: all {} are in use",
                                    sessions_)});
      return;
    }
    ++sessions_;
    std::make_shared<Session>(shared_from_this(), std::move(socket))->read();
  }

  void on_accept_error(const ErrorCode& error) {
    log_.write(now_, {port::Severity::kError, "admin.accept_failed",
                      "cannot take connections to the admin port: " + error.message()});
  }

  std::shared_ptr<Session> take(uint64_t exchange) {
    const auto found = waiting_.find(exchange);
    if (found == waiting_.end()) return nullptr;
    std::shared_ptr<Session> session = std::move(found->second.session);
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

Instant HttpServer::next_deadline() const {
  return core_->next_deadline();
}

}  // namespace magpie::os
