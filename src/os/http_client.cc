#include "os/http_client.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "os/clock.h"
#include "os/dialer.h"
#include "os/http_channel.h"
#include "os/http_pool.h"
#include "os/resolver.h"
#include "os/socket_options.h"
#include "os/tls_context.h"
#include "os/url.h"

namespace magpie::os {
namespace {

class Call;

// What a call needs from the client.
class CallHost {
 public:
  virtual ~CallHost() = default;
  virtual const HttpClientConfig& config() const = 0;
  virtual asio::io_context& context() = 0;
  virtual HttpPool& pool() = 0;
  virtual std::unique_ptr<Dial> dial(const Url& url, Duration timeout, Dial::OnDone done) = 0;
  virtual std::shared_ptr<HttpChannel> make_channel(const Url& url, tcp::socket socket) = 0;
  virtual void deliver(port::Event event) = 0;
  virtual void forget(port::HttpCallId call) = 0;
};

// One call, from the address to the last byte. It ends once: with `finish` or by `cancel`.
class Call final : public HttpExchange, public std::enable_shared_from_this<Call> {
 public:
  Call(CallHost& host, port::HttpCall effect)
      : host_(host), effect_(std::move(effect)), timer_(host.context()) {}

  void start();
  void cancel();

  void on_header(int status) override;
  void on_body(std::string_view bytes) override;
  void on_end(const Status& status, bool reusable) override;

 private:
  void on_connected(Result<tcp::socket> socket);
  void send();
  void on_timeout();
  void finish(Status status);
  void stop();

  CallHost& host_;
  const port::HttpCall effect_;
  Url url_;
  asio::steady_timer timer_;
  std::unique_ptr<Dial> dial_;
  std::shared_ptr<HttpChannel> channel_;
  bool sent_ = false;
  bool ended_ = false;
  int http_status_ = 0;
  std::string body_;
};

void Call::start() {
  Result<Url> url = parse_url(effect_.url);
  if (!url) {
    finish(fail(url.error()));
    return;
  }
  url_ = std::move(*url);
  timer_.expires_after(std::chrono::nanoseconds(effect_.timeout.nanos));
  timer_.async_wait([this, self = shared_from_this()](const ErrorCode& error) {
    if (!error && !ended_ && !(effect_.streaming && http_status_ != 0)) on_timeout();
  });
  channel_ = host_.pool().take(url_.origin());
  if (channel_ != nullptr) {
    send();
    return;
  }
  dial_ = host_.dial(url_, effect_.timeout,
                     [this](Result<tcp::socket> socket) { on_connected(std::move(socket)); });
}

void Call::on_connected(Result<tcp::socket> socket) {
  const std::shared_ptr<Call> self = shared_from_this();
  const std::unique_ptr<Dial> ended = std::move(dial_);
  if (!socket) {
    finish(fail(socket.error().kind, url_.origin() + ": " + socket.error().message));
    return;
  }
  channel_ = host_.make_channel(url_, std::move(*socket));
  channel_->open([this, self](const Status& opened) {
    if (ended_) return;
    if (!opened) {
      finish(fail(opened.error().kind, url_.origin() + ": " + opened.error().message));
    } else {
      send();
    }
  });
}

void Call::send() {
  sent_ = true;
  channel_->exchange({url_.host_and_port(), url_.target, effect_.authorization, effect_.body},
                     shared_from_this());
}

void Call::on_header(int status) {
  http_status_ = status;
}

void Call::on_body(std::string_view bytes) {
  if (ended_) return;
  if (effect_.streaming) {
    host_.deliver(port::HttpCallPart{effect_.call, std::string(bytes)});
    return;
  }
  body_ += bytes;
  const size_t most = host_.config().answer_bytes;
  if (body_.size() <= most) return;
  finish(fail(ErrorKind::kIo, fmt::format("{}: the answer exceeds {} bytes", url_.origin(), most)));
}

void Call::on_end(const Status& status, bool reusable) {
  if (ended_) return;
  if (status && reusable) host_.pool().put(url_.origin(), std::exchange(channel_, nullptr));
  if (status) {
    finish({});
  } else {
    finish(fail(status.error().kind, url_.origin() + ": " + status.error().message));
  }
}

void Call::on_timeout() {
  const ErrorKind kind = sent_ ? ErrorKind::kIo : ErrorKind::kUnavailable;
  finish(fail(kind, fmt::format("{}: no answer within {} ms", url_.origin(),
                                effect_.timeout.to_milliseconds())));
}

void Call::finish(Status status) {
  CHECK(!ended_);
  const std::shared_ptr<Call> self = shared_from_this();
  if (!status) body_.clear();
  const int http_status = status ? http_status_ : 0;
  stop();
  host_.deliver(port::HttpCallDone{effect_.call, std::move(status), http_status, std::move(body_)});
  host_.forget(effect_.call);
}

void Call::cancel() {
  if (!ended_) stop();
}

void Call::stop() {
  ended_ = true;
  ErrorCode ignored;
  timer_.cancel(ignored);
  dial_.reset();
  if (channel_ != nullptr) channel_->close();
}

}  // namespace

class HttpClient::Core final : public CallHost {
 public:
  Core(EventLoop& loop, Resolver& resolver, const HttpClientConfig& config, LogSink& log,
       std::vector<port::Event>& events)
      : loop_(loop),
        resolver_(resolver),
        config_(config),
        log_(log),
        events_(events),
        pool_(loop.context(), config.idle_connections, config.idle_max) {}
  ~Core() override {
    for (auto& entry : calls_) entry.second->cancel();
  }

  Status open() { return config_.tls.has_value() ? open_tls(*config_.tls) : Status{}; }

  void carry_out(port::HttpCall effect) {
    const port::HttpCallId id = effect.call;
    CHECK(!calls_.contains(id.value));
    if (calls_.size() >= config_.calls) {
      deliver(port::HttpCallDone{
          id,
          fail(ErrorKind::kLimit, fmt::format("{} calls are under way", calls_.size())),
          0,
          {}});
      return;
    }
    const auto call = std::make_shared<Call>(*this, std::move(effect));
    calls_.emplace(id.value, call);
    call->start();
  }

  void cancel(port::HttpCallId id) {
    const auto found = calls_.find(id.value);
    if (found == calls_.end()) return;
    found->second->cancel();
    calls_.erase(found);
  }

  size_t calls() const { return calls_.size(); }

  // CallHost
  const HttpClientConfig& config() const override { return config_; }
  asio::io_context& context() override { return loop_.context(); }
  HttpPool& pool() override { return pool_; }
  std::unique_ptr<Dial> dial(const Url& url, Duration timeout, Dial::OnDone done) override {
    return std::make_unique<Dial>(loop_.context(), resolver_, url.host, url.port, timeout, nullptr,
                                  std::move(done));
  }
  std::shared_ptr<HttpChannel> make_channel(const Url& url, tcp::socket socket) override {
    set_call_options(socket);
    if (!url.secure) return make_plain_channel(std::move(socket));
    // The system's authorities are read when they are needed.
    if (tls_ == nullptr) CHECK(open_tls({}).has_value());
    return make_tls_channel(std::move(socket), tls_->current(read_clocks()), url.host);
  }
  void deliver(port::Event event) override { events_.push_back(std::move(event)); }
  void forget(port::HttpCallId call) override { calls_.erase(call.value); }

 private:
  Status open_tls(const TlsConfig& config) {
    auto opened = TlsContext::open("HTTP calls", config, TlsUse::kClient, read_clocks(), log_);
    if (!opened) return fail(opened.error());
    tls_ = std::move(*opened);
    return {};
  }

  EventLoop& loop_;
  Resolver& resolver_;
  const HttpClientConfig config_;
  LogSink& log_;
  std::unique_ptr<TlsContext> tls_;
  std::vector<port::Event>& events_;
  HttpPool pool_;
  std::unordered_map<uint64_t, std::shared_ptr<Call>> calls_;
};

HttpClient::HttpClient(EventLoop& loop, Resolver& resolver, const HttpClientConfig& config,
                       LogSink& log, std::vector<port::Event>& events)
    : core_(std::make_unique<Core>(loop, resolver, config, log, events)) {}

HttpClient::~HttpClient() = default;

Status HttpClient::open() {
  return core_->open();
}

void HttpClient::carry_out(port::HttpCall effect) {
  core_->carry_out(std::move(effect));
}

void HttpClient::carry_out(const port::CancelHttpCall& effect) {
  core_->cancel(effect.call);
}

size_t HttpClient::calls() const {
  return core_->calls();
}

size_t HttpClient::idle_connections() const {
  return core_->pool().size();
}

}  // namespace magpie::os
