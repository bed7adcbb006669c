#include "relay/relay.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

namespace magpie::relay {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// A server that sends back what it hears, behind a relay.
class RelayTest : public testing::Test {
 protected:
  RelayTest()
      : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        relay_(context_, {"127.0.0.1", acceptor_.local_endpoint().port()}, 1) {
    EXPECT_TRUE(relay_.listen({}));
    accept();
  }

  // Runs the loop until `done` says so, for at most 20 s.
  template <typename Done>
  bool run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      context_.run_one_for(std::chrono::milliseconds(100));
    }
    return done();
  }

  tcp::socket connect(ErrorCode& error) {
    tcp::socket socket(context_);
    socket.connect({asio::ip::address_v4::loopback(), relay_.port()}, error);
    return socket;
  }

  void listen_to(tcp::socket& socket) {
    socket.async_read_some(asio::buffer(buffer_), [&](const ErrorCode& error, size_t count) {
      if (error) {
        closed_ = true;
        return;
      }
      heard_.append(buffer_.data(), count);
      listen_to(socket);
    });
  }

  asio::io_context context_;
  tcp::acceptor acceptor_;
  Relay relay_;
  std::string heard_;
  bool closed_ = false;

 private:
  void accept() {
    acceptor_.async_accept([this](const ErrorCode& error, tcp::socket socket) {
      if (error) return;
      auto server = std::make_shared<tcp::socket>(std::move(socket));
      echo(server);
      accept();
    });
  }
  void echo(const std::shared_ptr<tcp::socket>& server) {
    auto bytes = std::make_shared<std::array<char, 4096>>();
    server->async_read_some(asio::buffer(*bytes),
                            [this, server, bytes](const ErrorCode& error, size_t count) {
                              if (error) return;
                              ErrorCode ignored;
                              asio::write(*server, asio::buffer(*bytes, count), ignored);
                              echo(server);
                            });
  }

  std::array<char, 4096> buffer_{};
};

TEST_F(RelayTest, BytesPassInBothDirections) {
  ErrorCode error;
  tcp::socket socket = connect(error);
  ASSERT_FALSE(error);
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("hello")));
  EXPECT_TRUE(run_until([&] { return heard_ == "hello"; }));
  EXPECT_EQ(relay_.bytes_there(), 5u);
  EXPECT_EQ(relay_.bytes_back(), 5u);
}

TEST_F(RelayTest, AConnectionAcceptedElsewhereIsRelayedUnlessCut) {
  tcp::acceptor elsewhere(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto adopted = [&] {
    tcp::socket socket(context_);
    socket.connect(elsewhere.local_endpoint());
    relay_.adopt(elsewhere.accept());
    return socket;
  };
  tcp::socket socket = adopted();
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("hello")));
  EXPECT_TRUE(run_until([&] { return heard_ == "hello"; }));
  EXPECT_EQ(relay_.connections(), 1u);
  relay_.cut();
  EXPECT_TRUE(run_until([&] { return closed_; }));
  closed_ = false;
  tcp::socket refused = adopted();
  listen_to(refused);
  EXPECT_TRUE(run_until([&] { return closed_; }));
}

TEST_F(RelayTest, TheyPassNoEarlierThanTheDelay) {
  relay_.set({.delay = Duration::milliseconds(30)}, {.delay = Duration::milliseconds(30)});
  ErrorCode error;
  tcp::socket socket = connect(error);
  listen_to(socket);
  const auto begin = std::chrono::steady_clock::now();
  asio::write(socket, asio::buffer(std::string("hello")));
  EXPECT_TRUE(run_until([&] { return heard_ == "hello"; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(60));
}

TEST_F(RelayTest, SilenceLetsNothingThroughAndLosesNothing) {
  ErrorCode error;
  tcp::socket socket = connect(error);
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("one ")));
  EXPECT_TRUE(run_until([&] { return heard_ == "one "; }));
  relay_.set({}, {.silent = true});
  asio::write(socket, asio::buffer(std::string("two")));
  EXPECT_TRUE(run_until([&] { return relay_.bytes_back() == 7u; }));
  EXPECT_EQ(heard_, "one ");
  relay_.set({}, {});
  EXPECT_TRUE(run_until([&] { return heard_ == "one two"; }));
  EXPECT_FALSE(closed_);
}

TEST_F(RelayTest, WhatANarrowLineHeldUpComesOnceItIsWide) {
  ErrorCode error;
  tcp::socket socket = connect(error);
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("one ")));
  EXPECT_TRUE(run_until([&] { return heard_ == "one "; }));
  relay_.set({}, {.rate = 1});  // the rest would take half an hour
  const std::string rest(2'000, 'x');
  asio::write(socket, asio::buffer(rest));
  EXPECT_TRUE(run_until([&] { return relay_.bytes_back() == 4 + rest.size(); }));
  relay_.set({}, {});
  EXPECT_TRUE(run_until([&] { return heard_ == "one " + rest; }));
}

TEST_F(RelayTest, ACutClosesConnectionsAndRefusesNewOnesUntilOpened) {
  ErrorCode error;
  tcp::socket socket = connect(error);
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("x")));
  EXPECT_TRUE(run_until([&] { return heard_ == "x"; }));
  relay_.cut();
  EXPECT_TRUE(run_until([&] { return closed_; }));
  EXPECT_EQ(relay_.connections(), 0u);
  tcp::socket refused = connect(error);
  EXPECT_TRUE(error);
  relay_.open();
  closed_ = false;
  tcp::socket again = connect(error);
  ASSERT_FALSE(error);
  listen_to(again);
  asio::write(again, asio::buffer(std::string("y")));
  EXPECT_TRUE(run_until([&] { return heard_ == "xy"; }));
}

TEST_F(RelayTest, AClosedSideIsToldToTheOther) {
  ErrorCode error;
  tcp::socket socket = connect(error);
  listen_to(socket);
  asio::write(socket, asio::buffer(std::string("last words")));
  socket.shutdown(tcp::socket::shutdown_send);
  EXPECT_TRUE(run_until([&] { return closed_; }));
  EXPECT_EQ(heard_, "last words");
  EXPECT_TRUE(run_until([&] { return relay_.connections() == 0; }));
}

}  // namespace
}  // namespace magpie::relay
