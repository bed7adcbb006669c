// Connections to HTTP servers that wait for the next call. Private to the HTTP client.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/time.h"
#include "os/asio.h"
#include "os/http_channel.h"

namespace magpie::os {

class HttpPool {
 public:
  // At most `per_origin` to one server, each for at most `idle_max`.
  HttpPool(asio::io_context& context, size_t per_origin, Duration idle_max);
  ~HttpPool();

  // The connection to `origin` that was used last, or null.
  std::shared_ptr<HttpChannel> take(const std::string& origin);
  void put(const std::string& origin, std::shared_ptr<HttpChannel> channel);

  size_t size() const { return idle_.size(); }

 private:
  struct Idle;

  void drop(uint64_t number);

  asio::io_context& context_;
  const size_t per_origin_;
  const Duration idle_max_;
  std::map<uint64_t, std::unique_ptr<Idle>> idle_;  // by number, the oldest first
  std::map<std::string, std::deque<uint64_t>> by_origin_;
  uint64_t last_number_ = 0;
};

}  // namespace magpie::os
