// One producer: a librdkafka instance of its own, driven by the thread that calls run().
//
// Two kinds of messages. Plain ones share a pool of random bytes and are not copied, so the client
// spends as little as it can and the broker is what limits. Stamped ones carry the time at which
// they should have been sent in their first eight bytes: a client that was held up by a slow broker
// counts that wait too, which a stamp taken at the real sending would hide.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "driver/handle.h"
#include "driver/histogram.h"
#include "driver/settings.h"

namespace magpie::bench {

// Random bytes that all producers send slices of.
class Payloads {
 public:
  explicit Payloads(uint32_t message_bytes);

  const uint8_t* next() {
    next_ = next_ + message_bytes_ + message_bytes_ > bytes_.size() ? 0 : next_ + message_bytes_;
    return bytes_.data() + next_;
  }

 private:
  uint32_t message_bytes_;
  std::vector<uint8_t> bytes_;
  size_t next_ = 0;
};

// Monotonic nanoseconds; what one producer may send and when.
struct Schedule {
  int64_t start = 0;
  int64_t measured_from = 0;
  int64_t end = 0;
  uint64_t messages = 0;
  double nanoseconds_per_message = 0;  // 0: as fast as possible
};

class Producer {
 public:
  // Connects and learns the topic's leaders. kUnavailable when no broker answers.
  static Result<std::unique_ptr<Producer>> make(const Settings& settings, int32_t index,
                                                bool stamped);

  // Sends until the schedule ends, then waits for every acknowledgement.
  void run(const Schedule& schedule);

  // Any thread may ask while run() is going on.
  uint64_t acknowledged() const { return acknowledged_.load(std::memory_order_relaxed); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  // Only after run().
  uint64_t failed() const { return failed_; }
  const std::string& first_failure() const { return first_failure_; }
  int64_t last_acknowledged_at() const { return last_acknowledged_at_; }
  const Histogram& acknowledgement_latency() const { return latency_; }

 private:
  Producer(const Settings& settings, int32_t index, bool stamped);
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  Status connect();
  void send(int64_t intended, int64_t end);
  void poll(int timeout_milliseconds);
  void wait_until(int64_t when);
  int32_t next_partition();

  const Settings& settings_;
  const bool stamped_;
  Payloads payloads_;
  std::vector<uint8_t> stamped_payload_;
  const uint64_t deliveries_per_sample_;
  int32_t partition_;
  uint64_t stick_left_ = 0;

  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<bool> finished_{false};
  uint64_t failed_ = 0;
  std::string first_failure_;
  int64_t last_acknowledged_at_ = 0;
  int64_t measured_from_ = 0;
  int64_t polled_at_ = 0;
  uint64_t deliveries_ = 0;
  Histogram latency_;

  Handle handle_;  // destroyed before what its callbacks touch
  TopicHandle topic_;
};

}  // namespace magpie::bench
