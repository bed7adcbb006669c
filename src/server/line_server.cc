#include "server/line_server.h"

#include <fmt/format.h>

#include <utility>
//
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

namespace magpie::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr size_t kLineBytes = 4096;
constexpr int kConnectionsMax = 16;

std::string take_line(asio::streambuf& buffer, size_t length) {
  const auto* bytes = static_cast<const char*>(buffer.data().data());
  std::string line(bytes, length - 1);
  buffer.consume(length);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const LineServer::Answer& answer, int& open)
      : socket_(std::move(socket)), answer_(answer), open_(open) {
    ++open_;
  }
  ~Session() { --open_; }

  void read() {
    asio::async_read_until(socket_, buffer_, '\n',
                           [self = shared_from_this()](const ErrorCode& error, size_t length) {
                             if (!error)
                               self->write(self->answer_(take_line(self->buffer_, length)) + "\n");
                           });
  }

 private:
  void write(std::string text) {
    text_ = std::move(text);
    asio::async_write(socket_, asio::buffer(text_),
                      [self = shared_from_this()](const ErrorCode& error, size_t) {
                        if (!error) self->read();
                      });
  }

  tcp::socket socket_;
  const LineServer::Answer& answer_;
  int& open_;
  asio::streambuf buffer_{kLineBytes};
  std::string text_;
};

}  // namespace

class LineServer::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& context, Answer answer)
      : context_(context), acceptor_(context), answer_(std::move(answer)) {}

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
    acceptor_.async_accept(
        context_, [self = shared_from_this()](const ErrorCode& error, tcp::socket socket) {
          if (error) return;
          if (self->open_ < kConnectionsMax) {
            std::make_shared<Session>(std::move(socket), self->answer_, self->open_)->read();
          }
          self->accept();
        });
  }

  asio::io_context& context_;
  tcp::acceptor acceptor_;
  const Answer answer_;
  int open_ = 0;
};

LineServer::LineServer(asio::io_context& context, Answer answer)
    : core_(std::make_shared<Core>(context, std::move(answer))) {}

LineServer::~LineServer() {
  close();
}

Status LineServer::listen(const HostPort& address) {
  return core_->listen(address);
}

void LineServer::close() {
  core_->close();
}

Result<std::string> ask_line(const HostPort& address, const std::string& line) {
  asio::io_context context;
  tcp::socket socket(context);
  ErrorCode error;
  const tcp::endpoint endpoint(asio::ip::make_address(address.host, error), address.port);
  if (!error) socket.connect(endpoint, error);
  if (!error) asio::write(socket, asio::buffer(line + "\n"), error);
  asio::streambuf buffer;
  const size_t length = error ? 0 : asio::read_until(socket, buffer, '\n', error);
  if (!error) return take_line(buffer, length);
  return fail(ErrorKind::kUnavailable,
              fmt::format("{} does not answer: {}", host_port_text(address), error.message()));
}

}  // namespace magpie::server
