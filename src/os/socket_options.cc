#include "os/socket_options.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace magpie::os {
namespace {

// A refusal leaves a slower connection, not a wrong one.
void set(int socket, int level, int option, int value) {
  (void)::setsockopt(socket, level, option, &value, sizeof value);
}

void set_keepalive(int socket, int idle_seconds, int interval_seconds, int probes) {
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval_seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

// The kernel doubles what it is asked for and reports the double (man 7 socket).
bool set_buffer(int socket, int option, size_t bytes) {
  set(socket, SOL_SOCKET, option, static_cast<int>(bytes));
  int given = 0;
  socklen_t size = sizeof given;
  (void)::getsockopt(socket, SOL_SOCKET, option, &given, &size);
  return static_cast<size_t>(given) >= 2 * bytes;
}

}  // namespace

// Load balancers and firewalls drop idle connections without telling either side; these probes
// keep them alive, and find out within two minutes when the other side is gone.
void set_client_options(tcp::socket& socket) {
  const int handle = socket.native_handle();
  set(handle, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keepalive(handle, 60, 15, 4);
}

void set_call_options(tcp::socket& socket) {
  const int handle = socket.native_handle();
  set(handle, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keepalive(handle, 5, 5, 3);
  set(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, 20'000);
}

void set_link_options(tcp::socket& socket, const LinkConfig& config) {
  const int handle = socket.native_handle();
  const int64_t silence = std::max<int64_t>(config.peer_silence_max.to_milliseconds(), 1);
  const int probe_seconds = static_cast<int>(std::max<int64_t>(silence / 4'000, 1));
  set(handle, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keepalive(handle, probe_seconds, probe_seconds, 3);
  set(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(silence));
}

std::string set_link_buffers(int socket, const LinkConfig& config) {
  const size_t bytes = config.socket_buffer_bytes;
  if (bytes == 0) return "";
  const bool received = set_buffer(socket, SO_RCVBUF, bytes);
  const bool sent = set_buffer(socket, SO_SNDBUF, bytes);
  if (received && sent) return "";
  return fmt::format(
      "the kernel gives links smaller socket buffers than the {} bytes asked for; raise "
      "net.core.rmem_max and net.core.wmem_max, or leave the size to the kernel (0)",
      bytes);
}

}  // namespace magpie::os
