// What the modes share: librdkafka handles that free themselves, and lines that are written
// whole.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace magpie::load {

struct Destroy {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Handle = std::unique_ptr<rd_kafka_t, Destroy>;
using Configuration = std::unique_ptr<rd_kafka_conf_t, Destroy>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy>;

using Values = std::vector<std::pair<std::string, std::string>>;

// A configuration with these values, then those of `overrides` ("name=value"). Null, with the
// reason on standard error, if librdkafka refuses one.
Configuration configure(const Values& values, const std::vector<std::string>& overrides);

// Null, with the reason on standard error, if it cannot be made.
Handle make_handle(rd_kafka_type_t type, Configuration configuration);

int64_t monotonic_millis();

// The value of record `number` of `partition`: "<partition>:<number>:", padded to `bytes`.
std::string payload(int32_t partition, int64_t number, int32_t bytes);

// Prints the line of a record that was read; false if its value is not one of ours.
bool print_read(const rd_kafka_message_t& message);

// Tells when standard input was closed.
class EndOfInput {
 public:
  EndOfInput();
  ~EndOfInput();
  bool reached() const { return reached_.load(); }

 private:
  std::atomic<bool> reached_{false};
  std::thread watcher_;
};

}  // namespace magpie::load
