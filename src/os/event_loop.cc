#include "os/event_loop.h"

#include <algorithm>
#include <chrono>

#include "os/asio.h"

namespace magpie::os {

struct EventLoop::Watch {
  asio::posix::stream_descriptor descriptor;
  std::function<void()> readable;
};

EventLoop::EventLoop() : context_(std::make_unique<asio::io_context>(1)) {}

EventLoop::~EventLoop() {
  for (const std::unique_ptr<Watch>& watch : watches_) watch->descriptor.release();
}

void EventLoop::run_turn(Duration timeout, size_t max_handlers) {
  timeout = std::min(timeout, Duration::seconds(3'600));  // what a deadline of "never" becomes
  if (context_->stopped()) context_->restart();
  size_t handled = timeout.nanos > 0
                       ? context_->run_one_for(std::chrono::nanoseconds(timeout.nanos))
                       : context_->poll_one();
  while (handled > 0 && handled < max_handlers && context_->poll_one() > 0) ++handled;
}

void EventLoop::watch(int descriptor, std::function<void()> readable) {
  watches_.push_back(std::make_unique<Watch>(
      Watch{asio::posix::stream_descriptor(*context_, descriptor), std::move(readable)}));
  await(*watches_.back());
}

void EventLoop::await(Watch& watch) {
  watch.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                              [this, &watch](const ErrorCode& error) {
                                if (error) return;
                                watch.readable();
                                await(watch);
                              });
}

}  // namespace magpie::os
