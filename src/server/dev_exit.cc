#include "server/dev_exit.h"

#include <fmt/format.h>

#include <sstream>
#include <utility>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "relay/relay.h"

namespace magpie::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr size_t kRequestBytes = 4096;
constexpr int kAskingMax = 64;

// Outlives whoever still asks.
struct Desk {
  DevExit::Find find;
  int asking = 0;
};

// One connection until it has been given to a relay.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  Asking(tcp::socket socket, std::shared_ptr<Desk> desk)
      : socket_(std::move(socket)), desk_(std::move(desk)) {
    ++desk_->asking;
  }
  ~Asking() { --desk_->asking; }

  void read() {
    asio::async_read_until(socket_, buffer_, "\r\n\r\n",
                           [self = shared_from_this()](const ErrorCode& error, size_t) {
                             if (!error) self->answer();
                           });
  }

 private:
  void answer() {
    std::istream head(&buffer_);
    std::string method, target;
    head >> method >> target;
    relay_ = method == "CONNECT" ? desk_->find(target) : nullptr;
    text_ = relay_ != nullptr ? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    asio::async_write(socket_, asio::buffer(text_),
                      [self = shared_from_this()](const ErrorCode& error, size_t) {
                        if (!error && self->relay_ != nullptr)
                          self->relay_->adopt(std::move(self->socket_));
                      });
  }

  tcp::socket socket_;
  const std::shared_ptr<Desk> desk_;
  relay::Relay* relay_ = nullptr;
  asio::streambuf buffer_{kRequestBytes};
  std::string text_;
};

}  // namespace

class DevExit::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& context, Find find)
      : acceptor_(context), desk_(std::make_shared<Desk>(Desk{std::move(find)})) {}

  Status listen(const HostPort& address) {
    ErrorCode error;
    const tcp::endpoint endpoint(asio::ip::make_address(address.host, error), address.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("cannot listen on {}: {}", host_port_text(address), error.message()));
    }
    accept();
    return {};
  }

  void close() {
    ErrorCode ignored;
    acceptor_.close(ignored);
  }

 private:
  void accept() {
    acceptor_.async_accept([self = shared_from_this()](const ErrorCode& error, tcp::socket socket) {
      if (error) return;
      if (self->desk_->asking < kAskingMax) {
        std::make_shared<Asking>(std::move(socket), self->desk_)->read();
      }
      self->accept();
    });
  }

  tcp::acceptor acceptor_;
  const std::shared_ptr<Desk> desk_;
};

DevExit::DevExit(asio::io_context& context, Find find)
    : core_(std::make_shared<Core>(context, std::move(find))) {}

DevExit::~DevExit() {
  core_->close();
}

Status DevExit::listen(const HostPort& address) {
  return core_->listen(address);
}

}  // namespace magpie::server
