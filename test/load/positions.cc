#include <fmt/format.h>

#include "client.h"
#include "load.h"

namespace magpie::load {
namespace {

constexpr int kPatienceMillis = 30'000;

int refuse(rd_kafka_resp_err_t error) {
  fmt::print(stderr, "error: {}\n", rd_kafka_err2str(error));
  return 1;
}

}  // namespace

int show_positions(const Settings& settings) {
  Configuration conf = configure(
      {{"bootstrap.servers", settings.bootstrap}, {"group.id", settings.group}}, settings.client);
  if (!conf) return 1;
  const Handle handle = make_handle(RD_KAFKA_CONSUMER, std::move(conf));
  if (!handle) return 1;
  const PartitionList partitions(rd_kafka_topic_partition_list_new(settings.partitions));
  for (int32_t partition = 0; partition < settings.partitions; ++partition) {
    rd_kafka_topic_partition_list_add(partitions.get(), settings.topic.c_str(), partition);
  }
  const rd_kafka_resp_err_t asked =
      rd_kafka_committed(handle.get(), partitions.get(), kPatienceMillis);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return refuse(asked);
  for (int32_t partition = 0; partition < settings.partitions; ++partition) {
    const rd_kafka_topic_partition_t& at = partitions->elems[partition];
    if (at.err != RD_KAFKA_RESP_ERR_NO_ERROR) return refuse(at.err);
    int64_t begin = 0;
    int64_t end = 0;
    const rd_kafka_resp_err_t found = rd_kafka_query_watermark_offsets(
        handle.get(), at.topic, at.partition, &begin, &end, kPatienceMillis);
    if (found != RD_KAFKA_RESP_ERR_NO_ERROR) return refuse(found);
    fmt::print("committed {} {} {} {}\n", monotonic_millis(), at.partition, end, at.offset);
  }
  return 0;
}

}  // namespace magpie::load
