// What the world tells a node. The counterpart of effect.h.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "port/effect.h"
#include "port/file.h"

namespace magpie::port {

// Which configured listener a connection came in on. Clients must be told addresses they can
// reach, so answers that name brokers depend on it.
using ListenerIndex = StrongId<struct ListenerIndexTag, uint32_t>;

struct ConnectionOpened {
  ConnectionId connection;
  ListenerIndex listener;  // meaningless for a connection the machine asked for (Connect)
  std::string peer;        // "address:port", for logs and DescribeGroups
  std::string peer_name;   // whom the peer's certificate was issued for; empty without one
};

// One whole Kafka request, without its 4-byte size prefix. The block belongs to this frame alone or
// to frames of the same connection, and nobody else reads it.
struct FrameReceived {
  ConnectionId connection;
  Buffer frame;
};

// Closed by the peer, by an error, by a limit of the driver, or by CloseConnection. The last event
// of a connection.
struct ConnectionClosed {
  ConnectionId connection;
  std::string reason;
};

// The bytes queued on the connection fell below the low-water mark after a Send had put them above
// the high one. `queued` tells how much is still there.
struct SendQueueChanged {
  ConnectionId connection;
  uint64_t queued = 0;
  bool above_high_water = false;
};

struct HttpRequestReceived {
  HttpExchangeId exchange;
  std::string method;
  std::string target;  // path and query as sent
  std::string body;
};

// The client of a stream that was not ended yet went away.
struct HttpExchangeClosed {
  HttpExchangeId exchange;
};

// Bytes of the body of a streaming call, as they arrived.
struct HttpCallPart {
  HttpCallId call;
  std::string bytes;
};
// A call ended: with an answer (`http_status`, and its whole body unless it was streaming), or
// without one, and `status` says why. The server may have carried the request out all the same.
struct HttpCallDone {
  HttpCallId call;
  Status status;
  int http_status = 0;
  std::string body;
};

// A disk effect finished. `data` is filled for ReadFile, `listing` for ListFolder.
struct FolderEntry {
  std::string name;
  bool is_folder = false;
  uint64_t size = 0;
};
struct DiskDone {
  Completion then;
  Status status;
  Buffer data;
  std::vector<FolderEntry> listing;
};

// Begin an orderly stop (SIGTERM): finish what is under way, make it durable, mark the data as
// cleanly closed. The node answers through Node::stopped().
struct StopRequested {};

using Event = std::variant<ConnectionOpened, FrameReceived, ConnectionClosed, SendQueueChanged,
                           HttpRequestReceived, DiskDone, StopRequested, HttpExchangeClosed,
                           HttpCallPart, HttpCallDone>;

}  // namespace magpie::port
