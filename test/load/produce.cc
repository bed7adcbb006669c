#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "client.h"
#include "load.h"

namespace magpie::load {
namespace {

constexpr int kFlushPatienceMillis = 60'000;
constexpr auto kPace = std::chrono::milliseconds(5);

// The number travels as the message's private pointer.
void* as_pointer(int64_t number) {
  return reinterpret_cast<void*>(static_cast<intptr_t>(number));
}

void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  const auto number = static_cast<int64_t>(reinterpret_cast<intptr_t>(message->_private));
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    fmt::print("acked {} {} {} {}\n", monotonic_millis(), message->partition, number,
               message->offset);
  } else {
    fmt::print("failed {} {} {} {}\n", monotonic_millis(), message->partition, number,
               rd_kafka_err2name(message->err));
  }
}

class Producer {
 public:
  Producer(const Settings& settings, rd_kafka_t* handle)
      : settings_(settings), handle_(handle), next_(static_cast<size_t>(settings.partitions), 0) {}

  // Hands over one record; false if librdkafka's queue is full, and then nothing happened.
  bool send_next() {
    const auto partition = static_cast<int32_t>(sent_ % settings_.partitions);
    int64_t& number = next_[static_cast<size_t>(partition)];
    const std::string value = payload(partition, number, settings_.bytes);
    const rd_kafka_resp_err_t error =
        rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC(settings_.topic.c_str()),
                          RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                          RD_KAFKA_V_OPAQUE(as_pointer(number)), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    ++number;
    ++sent_;
    return true;
  }
  int64_t sent() const { return sent_; }

 private:
  const Settings& settings_;
  rd_kafka_t* const handle_;
  std::vector<int64_t> next_;  // by partition
  int64_t sent_ = 0;
};

// After some errors, such as a sequence that the broker cannot continue, librdkafka sends no more.
bool gave_up(rd_kafka_t* handle) {
  std::array<char, 512> reason{};
  if (rd_kafka_fatal_error(handle, reason.data(), reason.size()) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return false;
  }
  fmt::print(stderr, "error: {}\n", reason.data());
  return true;
}

}  // namespace

int produce(const Settings& settings) {
  Configuration conf = configure({{"bootstrap.servers", settings.bootstrap},
                                  {"enable.idempotence", "true"},
                                  {"linger.ms", "5"},
                                  {"reconnect.backoff.max.ms", "200"}},
                                 settings.client);
  if (!conf) return 1;
  rd_kafka_conf_set_dr_msg_cb(conf.get(), delivered);
  const Handle handle = make_handle(RD_KAFKA_PRODUCER, std::move(conf));
  if (!handle) return 1;

  Producer producer(settings, handle.get());
  const EndOfInput end;
  // A time in which nothing could be sent is not made up for.
  int64_t credit_from = monotonic_millis();
  while (!end.reached() && !gave_up(handle.get())) {
    const int64_t now = monotonic_millis();
    int64_t due = (now - credit_from) * settings.rate / 1'000;
    if (due > 0) credit_from = now;
    while (due-- > 0 && producer.send_next()) {
    }
    rd_kafka_poll(handle.get(), 0);
    std::fflush(stdout);
    std::this_thread::sleep_for(kPace);
  }
  const rd_kafka_resp_err_t flushed = rd_kafka_flush(handle.get(), kFlushPatienceMillis);
  std::fflush(stdout);
  if (gave_up(handle.get())) return 1;
  if (flushed == RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  fmt::print(stderr, "error: {} records are still without an answer\n",
             rd_kafka_outq_len(handle.get()));
  return 1;
}

}  // namespace magpie::load
