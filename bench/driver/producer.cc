#include "driver/producer.h"

#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/random.h"
#include "driver/process_usage.h"

namespace magpie::bench {
namespace {

constexpr size_t kPoolBytes = 1 << 20;
constexpr uint64_t kMessagesPerPoll = 256;
// The acknowledgement time of every message would cost a clock reading each.
constexpr uint64_t kDeliveriesPerSample = 16;
// Up to this many per second it does not matter, and every one counts for a percentile.
constexpr double kRateOfEverySample = 2'000;
constexpr int64_t kShortestSleep = 50'000;
constexpr int64_t kMillisecond = 1'000'000;

void sleep_until(int64_t when) {
  const timespec target{.tv_sec = when / 1'000'000'000, .tv_nsec = when % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &target, nullptr);
}

}  // namespace

Payloads::Payloads(uint32_t message_bytes) : message_bytes_(message_bytes) {
  bytes_.resize(std::max<size_t>(kPoolBytes, message_bytes));
  Random random(message_bytes);
  for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(random.next());
}

Producer::Producer(const Settings& settings, int32_t index, bool stamped)
    : settings_(settings),
      stamped_(stamped),
      payloads_(settings.message_bytes),
      stamped_payload_(settings.message_bytes),
      deliveries_per_sample_(
          settings.rate > 0 && settings.rate <= kRateOfEverySample ? 1 : kDeliveriesPerSample),
      partition_(index * settings.partitions / std::max(settings.producers, 1)) {}

Result<std::unique_ptr<Producer>> Producer::make(const Settings& settings, int32_t index,
                                                 bool stamped) {
  CHECK(!stamped || settings.message_bytes >= sizeof(int64_t));
  std::unique_ptr<Producer> producer(new Producer(settings, index, stamped));
  if (Status connected = producer->connect(); !connected) return fail(connected.error());
  return producer;
}

Status Producer::connect() {
  auto handle = make_producer(settings_, &Producer::on_delivery, this);
  if (!handle) return fail(handle.error());
  handle_ = std::move(*handle);
  topic_.reset(rd_kafka_topic_new(handle_.get(), settings_.topic.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(handle_.get(), 0, topic_.get(), &metadata, 10'000);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorKind::kUnavailable, rd_kafka_err2str(error));
  }
  rd_kafka_metadata_destroy(metadata);
  return {};
}

void Producer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<Producer*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (self->failed_++ == 0) self->first_failure_ = rd_kafka_err2str(message->err);
    return;
  }
  // Only this thread writes, so a plain store does.
  self->acknowledged_.store(self->acknowledged() + 1, std::memory_order_relaxed);
  if (++self->deliveries_ % self->deliveries_per_sample_ == 0 &&
      self->polled_at_ >= self->measured_from_) {
    self->latency_.record(rd_kafka_message_latency(message) * 1'000);
  }
}

void Producer::poll(int timeout_milliseconds) {
  polled_at_ = monotonic_nanoseconds();
  if (rd_kafka_poll(handle_.get(), timeout_milliseconds) > 0) {
    last_acknowledged_at_ = monotonic_nanoseconds();
  }
}

int32_t Producer::next_partition() {
  if (stick_left_ < settings_.message_bytes) {
    const uint32_t stick =
        settings_.stick_bytes != 0 ? settings_.stick_bytes : settings_.batch_bytes;
    stick_left_ = std::max<uint64_t>(stick, settings_.message_bytes);
    partition_ = (partition_ + 1) % settings_.partitions;
  }
  stick_left_ -= settings_.message_bytes;
  return partition_;
}

void Producer::send(int64_t intended, int64_t end) {
  int flags = 0;
  const uint8_t* payload = nullptr;
  if (stamped_) {
    std::memcpy(stamped_payload_.data(), &intended, sizeof(intended));
    payload = stamped_payload_.data();
    flags = RD_KAFKA_MSG_F_COPY;
  } else {
    payload = payloads_.next();
  }
  const int32_t partition = next_partition();
  // librdkafka does not write to a payload that it does not own.
  while (rd_kafka_produce(topic_.get(), partition, flags, const_cast<uint8_t*>(payload),
                          settings_.message_bytes, nullptr, 0, nullptr) != 0) {
    const rd_kafka_resp_err_t error = rd_kafka_last_error();
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      if (failed_++ == 0) first_failure_ = rd_kafka_err2str(error);
      return;
    }
    poll(5);
    if (polled_at_ > end) return;
  }
}

void Producer::wait_until(int64_t when) {
  int64_t left = when - monotonic_nanoseconds();
  if (left < kShortestSleep) return;
  poll(0);
  // An acknowledgement is timed when it is taken, so a long wait is spent waiting for one.
  while ((left = when - monotonic_nanoseconds()) >= 2 * kMillisecond) {
    poll(static_cast<int>(left / kMillisecond) - 1);
  }
  sleep_until(when);
}

void Producer::run(const Schedule& schedule) {
  measured_from_ = schedule.measured_from;
  int64_t now = monotonic_nanoseconds();
  for (uint64_t sent = 0; sent < schedule.messages; ++sent) {
    int64_t intended = now;
    if (schedule.nanoseconds_per_message > 0) {
      intended = schedule.start +
                 static_cast<int64_t>(static_cast<double>(sent) * schedule.nanoseconds_per_message);
      if (intended > schedule.end) break;
      wait_until(intended);
    } else if (stamped_) {
      intended = now = monotonic_nanoseconds();
    }
    send(intended, schedule.end);
    if (sent % kMessagesPerPoll == 0) {
      poll(0);
      now = polled_at_;
      if (now > schedule.end) break;
    }
  }
  while (rd_kafka_outq_len(handle_.get()) > 0) poll(20);
  finished_.store(true, std::memory_order_release);
}

}  // namespace magpie::bench
