#include "os/http_pool.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace magpie::os {

struct HttpPool::Idle {
  std::string origin;
  std::shared_ptr<HttpChannel> channel;
  asio::steady_timer timer;
};

HttpPool::HttpPool(asio::io_context& context, size_t per_origin, Duration idle_max)
    : context_(context), per_origin_(per_origin), idle_max_(idle_max) {}

HttpPool::~HttpPool() {
  for (auto& entry : idle_) entry.second->channel->close();
}

std::shared_ptr<HttpChannel> HttpPool::take(const std::string& origin) {
  const auto found = by_origin_.find(origin);
  if (found == by_origin_.end()) return nullptr;
  const uint64_t number = found->second.back();
  found->second.pop_back();
  if (found->second.empty()) by_origin_.erase(found);
  std::shared_ptr<HttpChannel> channel = std::move(idle_.at(number)->channel);
  idle_.erase(number);
  return channel;
}

void HttpPool::put(const std::string& origin, std::shared_ptr<HttpChannel> channel) {
  std::deque<uint64_t>& numbers = by_origin_[origin];
  const uint64_t number = ++last_number_;
  numbers.push_back(number);
  auto idle = std::make_unique<Idle>(Idle{origin, channel, asio::steady_timer(context_)});
  idle->timer.expires_after(std::chrono::nanoseconds(idle_max_.nanos));
  // The entry may be gone when a handler runs; its number is never used again.
  idle->timer.async_wait([this, number](const ErrorCode& error) {
    if (error != asio::error::operation_aborted) drop(number);
  });
  idle_.emplace(number, std::move(idle));
  channel->watch([this, number] { drop(number); });
  if (numbers.size() > per_origin_) drop(numbers.front());
}

void HttpPool::drop(uint64_t number) {
  const auto found = idle_.find(number);
  if (found == idle_.end()) return;
  const std::unique_ptr<Idle> idle = std::move(found->second);
  idle_.erase(found);
  const auto numbers = by_origin_.find(idle->origin);
  CHECK(numbers != by_origin_.end());
  numbers->second.erase(std::find(numbers->second.begin(), numbers->second.end(), number));
  if (numbers->second.empty()) by_origin_.erase(numbers);
  idle->channel->close();
}

}  // namespace magpie::os
