#include "server/health_probe.h"

#include <chrono>
#include <memory>
#include <utility>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace magpie::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

struct Probe : std::enable_shared_from_this<Probe> {
  Probe(asio::io_context& context, std::function<void(bool)> when_done)
      : stream(context), done(std::move(when_done)) {}

  void start(const asio::ip::tcp::endpoint& endpoint) {
    stream.expires_after(std::chrono::seconds(1));
    stream.async_connect(endpoint, [self = shared_from_this()](const error_code& error) {
      error ? self->done(false) : self->ask();
    });
  }

  void ask() {
    http::async_write(stream, request,
                      [self = shared_from_this()](const error_code& error, size_t) {
                        error ? self->done(false) : self->read();
                      });
  }

  void read() {
    http::async_read(stream, buffer, answer,
                     [self = shared_from_this()](const error_code& error, size_t) {
                       self->done(!error && self->answer.result() == http::status::ok);
                     });
  }

  beast::tcp_stream stream;
  std::function<void(bool)> done;
  http::request<http::empty_body> request;
  http::response<http::string_body> answer;
  beast::flat_buffer buffer;
};

}  // namespace

void probe_health(asio::io_context& context, const HostPort& address, const std::string& target,
                  std::function<void(bool)> done) {
  auto probe = std::make_shared<Probe>(context, std::move(done));
  probe->request = {http::verb::get, target, 11};
  probe->request.set(http::field::host, host_port_text(address));
  probe->request.keep_alive(false);
  error_code error;
  const auto host = asio::ip::make_address(address.host, error);
  probe->start({host, address.port});
}

}  // namespace magpie::server
