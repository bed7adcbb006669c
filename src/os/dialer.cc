#include "os/dialer.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "os/address.h"

namespace magpie::os {
namespace {

std::string reason(const ErrorCode& error) {
  if (error == asio::error::connection_refused) {
    return error.message() + " (nothing listens there)";
  }
  return error.message();
}

// TCP allows it: when nobody listens on a local port, the kernel may choose that very port for the
// side that connects, and both ends are one.
bool is_connected_to_itself(const tcp::socket& socket) {
  ErrorCode error;
  const tcp::endpoint local = socket.local_endpoint(error);
  return !error && local == socket.remote_endpoint(error) && !error;
}

}  // namespace

class Dial::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(asio::io_context& context, Resolver& resolver, Duration timeout, Prepare prepare,
          OnDone done)
      : resolver_(resolver),
        timeout_(timeout),
        prepare_(std::move(prepare)),
        done_(std::move(done)),
        socket_(context),
        timer_(context) {}

  void start(const std::string& host, uint16_t port) {
    set_timer(timeout_, [this, host] {
      finish(fail(ErrorKind::kUnavailable,
                  fmt::format("cannot find the address of '{}': no answer within {} ms", host,
                              timeout_.to_milliseconds())));
    });
    const auto on_resolved = [self = shared_from_this(), this](Result<Resolver::Endpoints> found) {
      question_ = 0;
      if (!found) {
        finish(fail(found.error()));
        return;
      }
      endpoints_ = std::move(*found);
      share_ = Duration::nanoseconds(timeout_.nanos / static_cast<int64_t>(endpoints_.size()));
      connect_next();
    };
    question_ = resolver_.resolve(host, port, on_resolved);
  }

  void cancel() {
    done_ = {};
    stop_waiting();
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  void set_timer(Duration after, std::function<void()> expired) {
    const uint64_t round = ++round_;
    timer_.expires_after(std::chrono::nanoseconds(after.nanos));
    timer_.async_wait(
        [self = shared_from_this(), round, expired = std::move(expired)](const ErrorCode& error) {
          if (!error && self->done_ && round == self->round_) expired();
        });
  }

  void connect_next() {
    CHECK(next_ < endpoints_.size());
    const tcp::endpoint& to = endpoints_[next_++];
    ErrorCode error;
    socket_ = tcp::socket(socket_.get_executor());
    socket_.open(to.protocol(), error);
    if (error) {
      failed(to, error.message());
      return;
    }
    if (prepare_) prepare_(socket_);
    set_timer(share_, [this, to] {
      failed(to, fmt::format("no answer within {} ms", share_.to_milliseconds()));
    });
    const uint64_t round = round_;
    socket_.async_connect(to, [self = shared_from_this(), to, round](const ErrorCode& refused) {
      if (!self->done_ || round != self->round_) return;
      if (refused) {
        self->failed(to, reason(refused));
      } else if (is_connected_to_itself(self->socket_)) {
        self->failed(to, "nothing listens there");
      } else {
        self->finish(std::move(self->socket_));
      }
    });
  }

  void failed(const tcp::endpoint& to, const std::string& why) {
    ErrorCode ignored;
    socket_.close(ignored);
    ++round_;
    if (next_ < endpoints_.size()) {
      connect_next();
      return;
    }
    finish(
        fail(ErrorKind::kUnavailable, fmt::format("cannot connect to {}: {}", to_text(to), why)));
  }

  void stop_waiting() {
    if (question_ != 0) resolver_.cancel(std::exchange(question_, 0));
    ErrorCode ignored;
    timer_.cancel(ignored);
  }

  void finish(Result<tcp::socket> result) {
    stop_waiting();
    ErrorCode ignored;
    if (result) result->non_blocking(true, ignored);
    if (const OnDone done = std::exchange(done_, {})) done(std::move(result));
  }

  Resolver& resolver_;
  const Duration timeout_;
  const Prepare prepare_;
  OnDone done_;
  uint64_t question_ = 0;
  std::vector<tcp::endpoint> endpoints_;
  Duration share_;
  size_t next_ = 0;
  uint64_t round_ = 0;  // handlers of earlier addresses are ignored
  tcp::socket socket_;
  asio::steady_timer timer_;
};

Dial::Dial(asio::io_context& context, Resolver& resolver, const std::string& host, uint16_t port,
           Duration timeout, Prepare prepare, OnDone done)
    : attempt_(std::make_shared<Attempt>(context, resolver, timeout, std::move(prepare),
                                         std::move(done))) {
  attempt_->start(host, port);
}

Dial::~Dial() {
  attempt_->cancel();
}

}  // namespace magpie::os
