// Finds the addresses of a host name without holding up the loop.
//
// The system's resolver blocks, for seconds when a name server is gone. So each question has a
// short-lived thread of its own: one slow name delays no other, and a process that ends waits for
// none of them. An address that is written as numbers is answered without a thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/asio.h"
#include "os/event_loop.h"

namespace magpie::os {

class Resolver {
 public:
  using Endpoints = std::vector<tcp::endpoint>;
  using OnDone = std::function<void(Result<Endpoints>)>;

  // Questions asked at once; further ones wait.
  static constexpr size_t kThreads = 16;

  // `loop` must live longer.
  explicit Resolver(EventLoop& loop);
  ~Resolver();

  // Calls `done` in the loop, never from within this call, with at least one address or a sentence
  // that says why there is none. Returns a number for cancel().
  uint64_t resolve(const std::string& host, uint16_t port, OnDone done);

  // `done` of that question will not be called.
  void cancel(uint64_t question);

 private:
  struct Shared;
  struct Question {
    uint64_t number;
    std::string host;
    uint16_t port;
  };

  void start(Question question);
  void collect();

  std::shared_ptr<Shared> shared_;
  std::map<uint64_t, OnDone> waiting_;
  std::deque<Question> queue_;
  size_t running_ = 0;
  uint64_t last_number_ = 0;
};

}  // namespace magpie::os
