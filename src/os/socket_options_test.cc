#include "os/socket_options.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace magpie::os {
namespace {

int option_of(tcp::socket& socket, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(socket.native_handle(), level, option, &value, &size), 0);
  return value;
}

TEST(SocketOptions, OfALinkFindOutASilentPeerInTime) {
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  LinkConfig config;
  config.peer_silence_max = Duration::seconds(12);
  set_link_options(socket, config);
  EXPECT_EQ(option_of(socket, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 12'000);
  EXPECT_EQ(option_of(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
  const int silence =
      option_of(socket, IPPROTO_TCP, TCP_KEEPIDLE) +
      option_of(socket, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(socket, IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_LE(silence, 12);
}

TEST(SocketOptions, OfACallFindOutASilentServer) {
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  set_call_options(socket);
  EXPECT_EQ(option_of(socket, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 20'000);
  const int silence =
      option_of(socket, IPPROTO_TCP, TCP_KEEPIDLE) +
      option_of(socket, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(socket, IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_LE(silence, 20);
  EXPECT_EQ(option_of(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
}

TEST(SocketOptions, LeaveBuffersToTheKernelUnlessTold) {
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  const int before = option_of(socket, SOL_SOCKET, SO_RCVBUF);
  LinkConfig config;
  EXPECT_EQ(set_link_buffers(socket.native_handle(), config), "");
  EXPECT_EQ(option_of(socket, SOL_SOCKET, SO_RCVBUF), before);
  config.socket_buffer_bytes = 64 * 1024;
  EXPECT_EQ(set_link_buffers(socket.native_handle(), config), "");
  EXPECT_EQ(option_of(socket, SOL_SOCKET, SO_RCVBUF), 2 * 64 * 1024);
  EXPECT_EQ(option_of(socket, SOL_SOCKET, SO_SNDBUF), 2 * 64 * 1024);
}

TEST(SocketOptions, SayThatTheKernelGivesLess) {
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  LinkConfig config;
  config.socket_buffer_bytes = 1'000'000'000;
  const std::string problem = set_link_buffers(socket.native_handle(), config);
  EXPECT_NE(problem.find("net.core.rmem_max"), std::string::npos) << problem;
}

}  // namespace
}  // namespace magpie::os
