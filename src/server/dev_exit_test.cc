#include "server/dev_exit.h"

#include <gtest/gtest.h>

#include <optional>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "relay/relay.h"

namespace magpie::server {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// A server that greets, a relay to it, and a way out to that relay as 192.0.2.1:1.
class DevExitTest : public ::testing::Test {
 protected:
  DevExitTest()
      : server_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        relay_(context_, {"127.0.0.1", server_.local_endpoint().port()}, 1),
        exit_(context_, [this](const std::string& target) {
          return target == "192.0.2.1:1" ? &relay_ : nullptr;
        }) {
    EXPECT_TRUE(relay_.listen({}).has_value());
    greet();
    tcp::acceptor probe(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    port_ = probe.local_endpoint().port();
    probe.close();
    EXPECT_TRUE(exit_.listen({"127.0.0.1", port_}).has_value());
  }

  // What comes back for `request` until the connection closes or `enough` bytes have come.
  std::string ask(const std::string& request, size_t enough) {
    tcp::socket socket(context_);
    socket.connect({asio::ip::address_v4::loopback(), port_});
    asio::write(socket, asio::buffer(request));
    std::string answer;
    std::optional<ErrorCode> ended;
    asio::async_read(socket, asio::dynamic_buffer(answer), asio::transfer_at_least(enough),
                     [&](const ErrorCode& error, size_t) { ended = error; });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!ended && std::chrono::steady_clock::now() < deadline) {
      context_.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_TRUE(ended.has_value());
    return answer;
  }

  asio::io_context context_;
  tcp::acceptor server_;
  relay::Relay relay_;
  DevExit exit_;
  uint16_t port_ = 0;

 private:
  void greet() {
    server_.async_accept([this](const ErrorCode& error, tcp::socket socket) {
      if (error) return;
      asio::write(socket, asio::buffer(std::string("hello")));
      greet();
    });
  }
};

TEST_F(DevExitTest, WhoAsksForAPlaceIsConnectedToIt) {
  const std::string wanted = "HTTP/1.1 200 OK\r\n\r\nhello";
  EXPECT_EQ(ask("CONNECT 192.0.2.1:1 HTTP/1.1\r\nHost: 192.0.2.1:1\r\n\r\n", wanted.size()),
            wanted);
}

TEST_F(DevExitTest, NobodyElseIsReached) {
  const std::string refused = "HTTP/1.1 502 Bad Gateway\r\n\r\n";
  EXPECT_EQ(ask("CONNECT 192.0.2.2:1 HTTP/1.1\r\n\r\n", 1000), refused);
  EXPECT_EQ(ask("GET http://192.0.2.1:1/ HTTP/1.1\r\n\r\n", 1000), refused);
  EXPECT_EQ(ask(std::string(5000, 'x'), 1000), "");
  EXPECT_EQ(relay_.connections(), 0u);
}

}  // namespace
}  // namespace magpie::server
