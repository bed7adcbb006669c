// One connection to an HTTP server: requests out, answers in, one at a time. Private to the HTTP
// client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/asio.h"
#include "os/openssl.h"

namespace magpie::os {

struct HttpRequest {
  std::string host;    // for the Host header
  std::string target;  // path and query
  std::string authorization;
  std::string body;  // JSON
};

// Who waits for an answer. Kept alive by the channel until on_end.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual void on_header(int status) = 0;
  virtual void on_body(std::string_view bytes) = 0;
  // The last call. With an error, the server may have carried the request out all the same.
  // `reusable`: the channel can take another request.
  virtual void on_end(const Status& status, bool reusable) = 0;
};

class HttpChannel {
 public:
  virtual ~HttpChannel() = default;

  // Prepares the connection for requests. Calls `done` once, perhaps from within.
  virtual void open(std::function<void(Status)> done) = 0;

  // Sends a request (POST) and delivers the answer. REQUIRES: no other one is under way.
  virtual void exchange(const HttpRequest& request, std::shared_ptr<HttpExchange> waiting) = 0;

  // Calls `ended` when the server ends the connection while no request is under way. Forgotten with
  // the next exchange.
  virtual void watch(std::function<void()> ended) = 0;

  // Nobody is called any more.
  virtual void close() = 0;
};

std::shared_ptr<HttpChannel> make_plain_channel(tcp::socket socket);

// Encrypted; open() fails unless the server's certificate is issued for `host`.
std::shared_ptr<HttpChannel> make_tls_channel(tcp::socket socket, SSL_CTX* context,
                                              const std::string& host);

}  // namespace magpie::os
