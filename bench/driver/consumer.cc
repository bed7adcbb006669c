#include "driver/consumer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "driver/process_usage.h"

namespace magpie::bench {
namespace {

constexpr int64_t kPatience = 10'000'000'000;
constexpr size_t kMessagesPerCall = 2'048;
constexpr int kWaitMilliseconds = 20;

int64_t wall_nanoseconds() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

}  // namespace

Result<std::unique_ptr<Consumer>> Consumer::make(const Settings& settings, Until until) {
  std::unique_ptr<Consumer> consumer(new Consumer(settings, until));
  if (Status begun = consumer->begin(); !begun) return fail(begun.error());
  return consumer;
}

Status Consumer::begin() {
  auto handle = make_consumer(settings_, until_ == Until::kEndOfPartitions);
  if (!handle) return fail(handle.error());
  handle_ = std::move(*handle);
  wall_ahead_ = wall_nanoseconds() - monotonic_nanoseconds();
  topic_.reset(rd_kafka_topic_new(handle_.get(), settings_.topic.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(handle_.get(), 0, topic_.get(), &metadata, 10'000);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorKind::kUnavailable, rd_kafka_err2str(error));
  }
  rd_kafka_metadata_destroy(metadata);

  queue_.reset(rd_kafka_queue_new(handle_.get()));
  // Offset 0 and not "beginning", which would first ask the broker once per partition.
  for (; partitions_started_ < settings_.partitions; ++partitions_started_) {
    if (rd_kafka_consume_start_queue(topic_.get(), partitions_started_, 0, queue_.get()) != 0) {
      return fail(ErrorKind::kUnavailable, rd_kafka_err2str(rd_kafka_last_error()));
    }
  }
  return {};
}

Consumer::~Consumer() {
  for (int32_t partition = 0; partition < partitions_started_; ++partition) {
    rd_kafka_consume_stop(topic_.get(), partition);
  }
}

bool Consumer::done() const {
  if (!failure_.empty()) return true;
  if (until_ == Until::kEndOfPartitions) return partitions_ended_ == settings_.partitions;
  return messages() >= stop_after_.load(std::memory_order_relaxed);
}

void Consumer::take(const rd_kafka_message_t& message, int64_t now, int64_t record_from) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    ++partitions_ended_;
    return;
  }
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    failure_ = rd_kafka_message_errstr(&message);
    return;
  }
  last_message_at_ = now;
  messages_.store(messages() + 1, std::memory_order_relaxed);
  if (record_from == INT64_MAX || message.len < sizeof(int64_t)) return;
  int64_t intended = 0;
  std::memcpy(&intended, message.payload, sizeof(intended));
  if (intended < record_from) return;
  latency_.record(now - intended);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t appended = rd_kafka_message_timestamp(&message, &type);
  if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME) {
    latency_from_append_.record(now + wall_ahead_ - appended * 1'000'000);
  }
}

// The number of messages that came. For latency at a rate it returns as soon as there is one: the
// client's call for a batch waits until the batch is full or the time is over, which is right for
// throughput only.
size_t Consumer::receive(std::span<rd_kafka_message_t*> messages) {
  const auto batch = [&](int wait, size_t from) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue_.get(), wait, &messages[from], messages.size() - from);
    return static_cast<size_t>(std::max<ssize_t>(count, 0));
  };
  if (settings_.rate == 0) return batch(kWaitMilliseconds, 0);
  messages[0] = rd_kafka_consume_queue(queue_.get(), kWaitMilliseconds);
  return messages[0] == nullptr ? 0 : 1 + batch(0, 1);
}

void Consumer::run() {
  std::array<rd_kafka_message_t*, kMessagesPerCall> messages{};
  int64_t waiting_since = monotonic_nanoseconds();
  while (!done()) {
    const size_t count = receive(messages);
    const int64_t now = monotonic_nanoseconds();
    if (count > 0) waiting_since = now;
    if (now - waiting_since > kPatience) break;
    const int64_t record_from = record_from_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < count; ++i) {
      take(*messages[i], now, record_from);
      rd_kafka_message_destroy(messages[i]);
    }
  }
  complete_ = failure_.empty() && done();
  finished_.store(true, std::memory_order_release);
}

}  // namespace magpie::bench
