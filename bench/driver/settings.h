// What one run of the benchmark client is told. Plain data, filled from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace magpie::bench {

enum class Mode {
  kProduce,  // as fast as acknowledgements come back, or at a rate
  kConsume,  // from offset 0 to the end of every partition, then stop
  kFollow,   // producers and one consumer together: end-to-end latency, or the peak of both
  kCreate,   // create the topic and wait until every partition has a leader
  kDelete,   // delete the topic
};

struct Settings {
  Mode mode = Mode::kProduce;

  // Where: a running broker, or this many librdkafka mock brokers inside this process.
  std::string brokers = "127.0.0.1:9092";
  int32_t mock_brokers = 0;

  std::string topic = "bench";
  int32_t partitions = 1;
  std::vector<std::string> topic_properties;  // "name=value", for kCreate

  uint32_t message_bytes = 1024;
  int32_t producers = 1;

  // A run ends when `byte_budget` bytes of payload were produced or `seconds` have passed,
  // whichever comes first. The first `warmup_seconds` are left out of every figure.
  uint64_t byte_budget = 1ull << 30;
  double seconds = 10;
  double warmup_seconds = 0;

  // Messages per second over all producers; 0 means as fast as possible.
  double rate = 0;

  // Follow runs: where the consumer reads, if that is another cluster, to which records are copied.
  std::string consumer_brokers;

  std::string acks = "all";
  bool idempotent = false;
  double linger_milliseconds = 5;
  uint32_t batch_bytes = 1'000'000;
  int32_t in_flight = 64;  // requests per connection; librdkafka lowers it to 5 if idempotent

  // Bytes sent to one partition before moving to the next, as the sticky partitioners of current
  // clients do. 0 means `batch_bytes`; 1 spreads message by message.
  uint32_t stick_bytes = 0;

  // The broker's process, whose processor time and memory are sampled; 0 means none.
  int32_t broker_pid = 0;

  // Further librdkafka properties, "name=value".
  std::vector<std::string> properties;
};

const char* to_string(Mode mode);

}  // namespace magpie::bench
