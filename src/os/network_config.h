// What the network may use, and what it does at each limit. Plain data; filled by `server`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/time.h"
#include "os/tls_config.h"

namespace magpie::os {

// What may come in on a listener.
enum class ListenerKind {
  kClients,
  kLinks,  // connections of other nodes; treated as LinkConfig says
};

// Where to listen. The position in the list of listeners is the ListenerIndex of its connections.
struct ListenerConfig {
  std::string name;
  // An address, or a host name: then every address it resolves to is listened on, so that
  // "localhost" serves clients that try ::1 first as well as those that try 127.0.0.1. "::" serves
  // IPv4 too.
  std::string host;
  uint16_t port = 0;  // 0: any free port; see Network::port
  ListenerKind kind = ListenerKind::kClients;
};

// What one connection may use. The defaults are those of a client.
struct ConnectionLimits {
  // A larger request closes the connection, with a log line.
  size_t request_bytes = limits::kRequestBytes;
  // Bytes read from one connection before the others have their turn.
  size_t read_bytes_per_turn = 1024 * 1024;

  // A connection that neither sends nor takes anything for this long is closed.
  Duration idle_max = Duration::seconds(600);
  // A connection that has bytes waiting for it and takes none for this long is closed: a slow
  // reader holds memory.
  Duration stalled_max = Duration::seconds(60);
  // How long a connection that is being closed may take to receive its last responses.
  Duration drain_max = Duration::seconds(5);

  // Bytes queued for one connection: the node hears when they rise above the first and when they
  // fall below the second mark.
  uint64_t send_high_water = 4 * 1024 * 1024;
  uint64_t send_low_water = 1024 * 1024;
  // Beyond this the connection is closed: the peer does not read.
  uint64_t send_queue_bytes = 256ull * 1024 * 1024;
  // The same over all connections of this kind; the one with the longest queue is closed.
  uint64_t send_queues_bytes = 1024ull * 1024 * 1024;
};

struct NetworkLimits : ConnectionLimits {
  // Client connections in all and from one address. One more is accepted and closed at once, so
  // that the client sees a refusal and not a timeout, with a log line.
  size_t connections = 10'000;
  size_t connections_per_address = 10'000;
  // New connections taken in one second on one listener. Further ones wait in the kernel's backlog,
  // so that a reconnect storm does not starve the connections that are already working.
  uint32_t accepts_per_second = 2'000;
};

// Connections between nodes, whichever side opened them. There are few of them, they live long,
// they may cross oceans, and each carries the traffic of many clients.
struct LinkConfig {
  LinkConfig() {
    limits.request_bytes = 64 * 1024 * 1024;
    limits.read_bytes_per_turn = 4 * 1024 * 1024;
    limits.idle_max = Duration::max();
    limits.send_high_water = 16 * 1024 * 1024;
    limits.send_low_water = 4 * 1024 * 1024;
  }

  // Frames up to 64 MiB; no idle limit, because a silent link is healthy.
  ConnectionLimits limits;
  // Links at once, those being opened included. One more is refused.
  size_t connections = 1'000;

  // For finding the address and connecting, all addresses of a name together.
  Duration connect_max = Duration::seconds(5);
  // For the TLS handshake.
  Duration handshake_max = Duration::seconds(5);
  // A peer that acknowledges nothing for this long is given up (TCP_USER_TIMEOUT); silent ones are
  // asked three times within it (keepalive).
  Duration peer_silence_max = Duration::seconds(15);
  // Bytes that may be under way on one link; at least bandwidth x round trip is needed. 0 leaves it
  // to the kernel, which adapts up to net.ipv4.tcp_rmem and tcp_wmem. A number is taken as it is
  // and limited by net.core.rmem_max and wmem_max, with a log line if they are smaller.
  size_t socket_buffer_bytes = 0;

  // Peers that are reached elsewhere than they are asked for: host and port to host and port.
  std::map<std::pair<std::string, uint16_t>, std::pair<std::string, uint16_t>> routes;

  // Links are encrypted, and both sides show certificates; nothing else gets in.
  std::optional<TlsConfig> tls;
};

}  // namespace magpie::os
