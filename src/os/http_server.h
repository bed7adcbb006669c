// The admin port: HTTP/1.1 requests in, responses out.
//
// Requests become HttpRequestReceived events and the node answers each with one HttpRespond, or
// with HttpStream and parts; this class only speaks the protocol (Boost.Beast does the parsing):
// keep-alive, HEAD, chunks, limits and timeouts. One request at a time per connection; pipelined
// ones wait in the socket.
//
// What it does not do: it knows no routes, and it does not authenticate; until it can, the
// configuration keeps the port on loopback unless told otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/event_loop.h"
#include "os/log_sink.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::os {

struct HttpConfig {
  std::string host = "127.0.0.1";
  uint16_t port = 9094;
  // Connections at once; one more is closed with a log line.
  size_t connections = 64;
  // A larger body is answered with 413, a larger header with 431.
  size_t body_bytes = 1024 * 1024;
  size_t header_bytes = 16 * 1024;
  // A connection without a request for this long is closed; so is one whose request takes this
  // long to arrive or whose response takes this long to be taken.
  Duration idle_max = Duration::seconds(60);
  // A request that the node does not answer for this long is answered with 503.
  Duration answer_max = Duration::seconds(30);
  // A stream whose client leaves more bytes than this waiting is ended, with a log line. A stream
  // may be idle for ever.
  size_t stream_queue_bytes = 16 * 1024 * 1024;
};

class HttpServer {
 public:
  // Events are appended to `events`, log lines go to `log`. All arguments must live longer.
  HttpServer(EventLoop& loop, const HttpConfig& config, LogSink& log,
             std::vector<port::Event>& events);
  ~HttpServer();

  // Error: says which address cannot be listened on, why, and what to do.
  Status listen();
  uint16_t port() const;

  // Begins a turn at `now`.
  void begin_turn(const Now& now);
  void carry_out(port::HttpRespond effect);
  void carry_out(const port::HttpStream& effect);
  void carry_out(port::HttpStreamPart effect);
  Instant next_deadline() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace magpie::os
