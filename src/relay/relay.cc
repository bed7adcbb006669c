#include "relay/relay.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <set>
#include <utility>
//
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "base/random.h"
#include "relay/lane.h"

namespace magpie::relay {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr size_t kReadBytes = 64 * 1024;

Instant now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

// What one direction needs from the relay, which outlives it.
struct Path {
  Conditions conditions;
  uint64_t bytes = 0;
};

class Connection;

// Moves bytes from one socket to the other through a lane.
class Direction : public std::enable_shared_from_this<Direction> {
 public:
  Direction(std::shared_ptr<Connection> connection, tcp::socket& from, tcp::socket& to,
            std::shared_ptr<Path> path, Random& random)
      : connection_(std::move(connection)),
        from_(from),
        to_(to),
        path_(std::move(path)),
        random_(random),
        timer_(from.get_executor()) {}

  void read();
  // Time has passed.
  void proceed();
  void conditions_changed() {
    lane_.change(now(), path_->conditions);
    proceed();
  }
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }

 private:
  void on_read(const ErrorCode& error, size_t count);
  void on_written(const ErrorCode& error);
  void await_arrival();
  void end();

  std::shared_ptr<Connection> connection_;
  tcp::socket& from_;
  tcp::socket& to_;
  std::shared_ptr<Path> path_;
  Random& random_;
  asio::steady_timer timer_;
  Lane lane_;
  std::array<char, kReadBytes> buffer_{};
  std::string writing_;
  bool reading_ = false;
  bool stopped_ = false;
  bool ended_ = false;   // the sender has closed its side
  bool closed_ = false;  // and the receiver was told
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket near, asio::io_context& context) : near_(std::move(near)), far_(context) {}

  void start(const tcp::endpoint& target, const std::shared_ptr<Path>& there,
             const std::shared_ptr<Path>& back, Random& random,
             std::function<void(Connection&)> gone) {
    gone_ = std::move(gone);
    far_.async_connect(
        target, [self = shared_from_this(), there, back, &random](const ErrorCode& error) {
          if (error) return self->close();
          ErrorCode ignored;
          self->near_.set_option(tcp::no_delay(true), ignored);
          self->far_.set_option(tcp::no_delay(true), ignored);
          self->there_ = std::make_shared<Direction>(self, self->near_, self->far_, there, random);
          self->back_ = std::make_shared<Direction>(self, self->far_, self->near_, back, random);
          self->there_->read();
          self->back_->read();
        });
  }

  void conditions_changed() {
    if (there_) there_->conditions_changed();
    if (back_) back_->conditions_changed();
  }

  void close() {
    if (std::exchange(closed_, true)) return;
    ErrorCode ignored;
    near_.close(ignored);
    far_.close(ignored);
    if (there_) there_->stop();
    if (back_) back_->stop();
    if (gone_) gone_(*this);
    there_.reset();
    back_.reset();
  }

  // Both sides have sent their last byte and it was passed on.
  void half_closed() {
    if (++half_closed_ == 2) close();
  }

 private:
  tcp::socket near_;
  tcp::socket far_;
  std::shared_ptr<Direction> there_;
  std::shared_ptr<Direction> back_;
  std::function<void(Connection&)> gone_;
  int half_closed_ = 0;
  bool closed_ = false;
};

void Direction::read() {
  if (reading_ || ended_ || stopped_ || lane_.full(path_->conditions)) return;
  reading_ = true;
  from_.async_read_some(asio::buffer(buffer_),
                        [self = shared_from_this()](const ErrorCode& error, size_t count) {
                          self->on_read(error, count);
                        });
}

void Direction::on_read(const ErrorCode& error, size_t count) {
  reading_ = false;
  if (stopped_) return;
  if (error == asio::error::eof) {
    ended_ = true;
  } else if (error) {
    return connection_->close();
  } else {
    path_->bytes += count;
    lane_.push(now(), std::string(buffer_.data(), count), path_->conditions, random_);
  }
  proceed();
}

void Direction::proceed() {
  if (stopped_) return;
  read();
  if (!writing_.empty()) return;
  const Instant arrival = lane_.next_arrival(path_->conditions);
  if (arrival == Instant::never()) {
    if (ended_ && lane_.bytes() == 0) end();
    return;
  }
  if (arrival > now()) return await_arrival();
  writing_ = lane_.pop();
  asio::async_write(
      to_, asio::buffer(writing_),
      [self = shared_from_this()](const ErrorCode& error, size_t) { self->on_written(error); });
}

void Direction::on_written(const ErrorCode& error) {
  writing_.clear();
  if (stopped_) return;
  if (error) return connection_->close();
  proceed();
}

void Direction::await_arrival() {
  const Duration wait = lane_.next_arrival(path_->conditions) - now();
  timer_.expires_after(std::chrono::nanoseconds(wait.nanos));
  timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
    if (!error) self->proceed();
  });
}

void Direction::end() {
  if (std::exchange(closed_, true)) return;
  ErrorCode ignored;
  to_.shutdown(tcp::socket::shutdown_send, ignored);
  connection_->half_closed();
}

}  // namespace

class Relay::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& context, const Address& target, uint64_t seed)
      : context_(context),
        acceptor_(context),
        target_(asio::ip::make_address(target.host), target.port),
        random_(seed) {}

  Status listen(const Address& listen) {
    listen_ = {asio::ip::make_address(listen.host), listen.port};
    return open();
  }

  Status open() {
    if (acceptor_.is_open()) return {};
    ErrorCode error;
    acceptor_.open(listen_.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(listen_, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("the relay cannot listen on {}:{}: {}", listen_.address().to_string(),
                              listen_.port(), error.message()));
    }
    listen_ = acceptor_.local_endpoint();
    accept();
    return {};
  }

  void close_all() {
    ErrorCode ignored;
    acceptor_.close(ignored);
    for (const auto& connection : std::set(connections_)) connection->close();
  }

  void conditions_changed() {
    for (const auto& connection : connections_) connection->conditions_changed();
  }

  void adopt(tcp::socket socket) {
    if (!acceptor_.is_open()) return;  // cut: the socket closes as it goes
    auto connection = std::make_shared<Connection>(std::move(socket), context_);
    connections_.insert(connection);
    connection->start(target_, there, back, random_, [self = shared_from_this()](Connection& gone) {
      self->connections_.erase(gone.shared_from_this());
    });
  }

  std::shared_ptr<Path> there = std::make_shared<Path>();
  std::shared_ptr<Path> back = std::make_shared<Path>();
  uint16_t port() const { return listen_.port(); }
  size_t connections() const { return connections_.size(); }

 private:
  void accept() {
    acceptor_.async_accept(context_,
                           [self = shared_from_this()](const ErrorCode& error, tcp::socket socket) {
                             if (error) return;
                             self->adopt(std::move(socket));
                             self->accept();
                           });
  }

  asio::io_context& context_;
  tcp::acceptor acceptor_;
  const tcp::endpoint target_;
  tcp::endpoint listen_;
  Random random_;
  std::set<std::shared_ptr<Connection>> connections_;
};

Relay::Relay(asio::io_context& context, const Address& target, uint64_t seed)
    : core_(std::make_shared<Core>(context, target, seed)) {}

Relay::~Relay() {
  core_->close_all();
}

Status Relay::listen(const Address& listen) {
  return core_->listen(listen);
}

uint16_t Relay::port() const {
  return core_->port();
}

void Relay::adopt(tcp::socket socket) {
  core_->adopt(std::move(socket));
}

void Relay::set(const Conditions& there, const Conditions& back) {
  core_->there->conditions = there;
  core_->back->conditions = back;
  core_->conditions_changed();
}

const Conditions& Relay::there() const {
  return core_->there->conditions;
}

const Conditions& Relay::back() const {
  return core_->back->conditions;
}

void Relay::cut() {
  core_->close_all();
}

void Relay::open() {
  (void)core_->open();
}

size_t Relay::connections() const {
  return core_->connections();
}

uint64_t Relay::bytes_there() const {
  return core_->there->bytes;
}

uint64_t Relay::bytes_back() const {
  return core_->back->bytes;
}

}  // namespace magpie::relay
