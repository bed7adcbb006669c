// Calls to other HTTP servers: the control store.
//
// A machine asks with HttpCall and hears HttpCallDone once, before that HttpCallParts if the call
// is streaming. Requests are POSTs with a JSON body. Connections are kept and used again, those to
// one server by one call at a time each, so that a watch never delays a transaction.
//
// The guarantee that a store client builds on is in the kind of the error: with kIo the server may
// have carried the request out; with any other kind it certainly has not.
//
// What it does not do: it never repeats a request, follows no redirects, and does not look into
// answers. Whoever asks knows what may be repeated.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/event_loop.h"
#include "os/log_sink.h"
#include "os/tls_config.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::os {

class Resolver;

struct HttpClientConfig {
  // Calls under way at once. One more fails with kLimit.
  size_t calls = 512;
  // A whole answer larger than this fails with kIo; the parts of a stream are not limited.
  size_t answer_bytes = 64 * 1024 * 1024;
  // Connections to one server that wait for the next call, and how long they do.
  size_t idle_connections = 8;
  Duration idle_max = Duration::seconds(30);
  // For https. None: the system's authorities are trusted and no certificate is shown.
  std::optional<TlsConfig> tls;
};

class HttpClient {
 public:
  // Events are appended to `events`. All arguments must live longer.
  HttpClient(EventLoop& loop, Resolver& resolver, const HttpClientConfig& config, LogSink& log,
             std::vector<port::Event>& events);
  ~HttpClient();

  // Reads the files of the TLS configuration, if there is one. Error: a sentence for the operator.
  Status open();

  void carry_out(port::HttpCall effect);
  void carry_out(const port::CancelHttpCall& effect);

  size_t calls() const;             // under way
  size_t idle_connections() const;  // to all servers

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace magpie::os
