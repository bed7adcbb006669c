#include <fmt/format.h>

#include <string>

#include "client.h"
#include "load.h"

namespace magpie::load {
namespace {

struct DestroyMessage {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, DestroyMessage>;

constexpr int kPollMillis = 100;

Handle make_consumer(const Settings& settings, const Values& more) {
  Values values = {{"bootstrap.servers", settings.bootstrap},
                   {"auto.offset.reset", "earliest"},
                   {"check.crcs", "true"},
                   {"reconnect.backoff.max.ms", "200"}};
  values.insert(values.end(), more.begin(), more.end());
  Configuration conf = configure(values, settings.client);
  if (!conf) return nullptr;
  Handle handle = make_handle(RD_KAFKA_CONSUMER, std::move(conf));
  if (handle) rd_kafka_poll_set_consumer(handle.get());
  return handle;
}

int not_ours(const rd_kafka_message_t& message) {
  fmt::print(stderr, "error: partition {} offset {}: not a record of this program\n",
             message.partition, message.offset);
  return 1;
}

}  // namespace

int consume(const Settings& settings) {
  const Handle handle =
      make_consumer(settings, {{"group.id", settings.group}, {"auto.commit.interval.ms", "1000"}});
  if (!handle) return 1;
  const PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), settings.topic.c_str(), RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(handle.get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fmt::print(stderr, "error: {}\n", rd_kafka_err2str(error));
    return 1;
  }
  const EndOfInput end;
  while (!end.reached()) {
    const Message message(rd_kafka_consumer_poll(handle.get(), kPollMillis));
    if (!message) {
      std::fflush(stdout);
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && !print_read(*message)) {
      return not_ours(*message);
    }
  }
  rd_kafka_consumer_close(handle.get());
  return 0;
}

int read_all(const Settings& settings) {
  const Handle handle = make_consumer(settings, {{"group.id", "load-reader"},
                                                 {"enable.auto.commit", "false"},
                                                 {"enable.partition.eof", "true"}});
  if (!handle) return 1;
  const PartitionList partitions(rd_kafka_topic_partition_list_new(settings.partitions));
  for (int32_t partition = 0; partition < settings.partitions; ++partition) {
    rd_kafka_topic_partition_list_add(partitions.get(), settings.topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(handle.get(), partitions.get());
  int32_t open = settings.partitions;
  const int64_t give_up = monotonic_millis() + 60'000;
  while (open > 0) {
    if (monotonic_millis() > give_up) {
      fmt::print(stderr, "error: {} partitions could not be read to their end\n", open);
      return 1;
    }
    const Message message(rd_kafka_consumer_poll(handle.get(), kPollMillis));
    if (!message) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) --open;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && !print_read(*message)) {
      return not_ours(*message);
    }
  }
  rd_kafka_consumer_close(handle.get());
  return 0;
}

}  // namespace magpie::load
