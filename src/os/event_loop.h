// The loop that one node runs in; hides Boost.Asio from whoever only needs to hold it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/time.h"

namespace boost::asio {
class io_context;
}

namespace magpie::os {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();

  // Waits until something happens, at most `timeout`, then handles what has happened, at most
  // `max_handlers` pieces of it. Negative or zero timeout: does not wait.
  void run_turn(Duration timeout, size_t max_handlers);

  // Calls `readable` in the loop whenever `descriptor` becomes readable. The descriptor stays the
  // caller's and must outlive the loop's last turn.
  void watch(int descriptor, std::function<void()> readable);

  boost::asio::io_context& context() { return *context_; }

 private:
  struct Watch;
  void await(Watch& watch);

  std::unique_ptr<boost::asio::io_context> context_;
  std::vector<std::unique_ptr<Watch>> watches_;
};

}  // namespace magpie::os
