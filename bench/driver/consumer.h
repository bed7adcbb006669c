// One consumer of all partitions of the topic, from offset 0, without a consumer group.
//
// It only counts, and for stamped messages (producer.h) records how long after the intended time of
// sending each one arrived. One thread calls run(); the client's own threads fetch.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "driver/handle.h"
#include "driver/histogram.h"
#include "driver/settings.h"

namespace magpie::bench {

class Consumer {
 public:
  enum class Until {
    kEndOfPartitions,  // every partition was read to its end
    kTold,             // stop_after() messages have arrived
  };

  // Learns the topic's leaders and begins to fetch.
  static Result<std::unique_ptr<Consumer>> make(const Settings& settings, Until until);
  ~Consumer();

  // Returns when done, or when nothing arrived for ten seconds.
  void run();

  // Any thread may call these while run() is going on.
  uint64_t messages() const { return messages_.load(std::memory_order_relaxed); }
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  void stop_after(uint64_t messages) { stop_after_.store(messages, std::memory_order_relaxed); }
  // Stamps before this are not recorded; INT64_MAX (the default) records none.
  void record_from(int64_t when) { record_from_.store(when, std::memory_order_relaxed); }

  // Only after run().
  bool complete() const { return complete_; }
  const std::string& failure() const { return failure_; }
  int64_t last_message_at() const { return last_message_at_; }
  const Histogram& latency() const { return latency_; }
  // From the time at which the broker appended a record, where the topic keeps that
  // (message.timestamp.type=LogAppendTime). Kafka's timestamps are whole milliseconds, rounded
  // down, so a value is up to one too high. Needs the broker to be on this machine.
  const Histogram& latency_from_append() const { return latency_from_append_; }

 private:
  Consumer(const Settings& settings, Until until) : settings_(settings), until_(until) {}
  Status begin();
  bool done() const;
  size_t receive(std::span<rd_kafka_message_t*> messages);
  void take(const rd_kafka_message_t& message, int64_t now, int64_t record_from);

  const Settings& settings_;
  const Until until_;
  Handle handle_;
  QueueHandle queue_;
  TopicHandle topic_;

  std::atomic<uint64_t> messages_{0};
  std::atomic<bool> finished_{false};
  std::atomic<uint64_t> stop_after_{UINT64_MAX};
  std::atomic<int64_t> record_from_{INT64_MAX};
  int32_t partitions_started_ = 0;
  int32_t partitions_ended_ = 0;
  bool complete_ = false;
  std::string failure_;
  int64_t last_message_at_ = 0;
  Histogram latency_;
  Histogram latency_from_append_;
  int64_t wall_ahead_ = 0;  // of the monotonic clock, nanoseconds
};

}  // namespace magpie::bench
