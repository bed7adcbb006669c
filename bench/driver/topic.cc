#include "driver/topic.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>

#include "driver/handle.h"
#include "driver/process_usage.h"

namespace magpie::bench {
namespace {

struct NewTopicDeleter {
  void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
  void operator()(rd_kafka_DeleteTopic_t* topic) const { rd_kafka_DeleteTopic_destroy(topic); }
  void operator()(rd_kafka_AdminOptions_t* options) const {
    rd_kafka_AdminOptions_destroy(options);
  }
};
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, NewTopicDeleter>;
using OldTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, NewTopicDeleter>;
using AdminOptions = std::unique_ptr<rd_kafka_AdminOptions_t, NewTopicDeleter>;

Status topic_error(const rd_kafka_topic_result_t* result) {
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  const char* detail = rd_kafka_topic_result_error_string(result);
  const ErrorKind kind = error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? ErrorKind::kNotFound
                                                                          : ErrorKind::kUnavailable;
  return fail(kind, fmt::format("{}: {}", rd_kafka_topic_result_name(result),
                                detail != nullptr ? detail : rd_kafka_err2str(error)));
}

// Waits for the answer to an administration request and hands back its event, or why it failed.
Result<EventHandle> answer(rd_kafka_queue_t* queue, int timeout_milliseconds) {
  EventHandle event(rd_kafka_queue_poll(queue, timeout_milliseconds));
  if (!event) return fail(ErrorKind::kUnavailable, "no answer from the broker");
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(ErrorKind::kUnavailable, rd_kafka_event_error_string(event.get()));
  }
  return event;
}

int timeout_of(const Settings& settings) {
  return static_cast<int>(settings.seconds * 1'000);
}

AdminOptions make_options(rd_kafka_t* handle, rd_kafka_admin_op_t operation, int timeout) {
  AdminOptions options(rd_kafka_AdminOptions_new(handle, operation));
  std::array<char, 256> reason{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout, reason.data(), reason.size());
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout, reason.data(), reason.size());
  return options;
}

bool every_partition_has_a_leader(rd_kafka_t* handle, rd_kafka_topic_t* topic, int partitions) {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(handle, 0, topic, &metadata, 5'000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return false;
  }
  bool ready = metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt == partitions;
  for (int i = 0; ready && i < metadata->topics[0].partition_cnt; ++i) {
    ready = metadata->topics[0].partitions[i].leader >= 0;
  }
  rd_kafka_metadata_destroy(metadata);
  return ready;
}

Status wait_for_leaders(rd_kafka_t* handle, const Settings& settings) {
  TopicHandle topic(rd_kafka_topic_new(handle, settings.topic.c_str(), nullptr));
  if (!topic) {
    return fail(ErrorKind::kInvalidArgument, rd_kafka_err2str(rd_kafka_last_error()));
  }
  const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_of(settings)} * 1'000'000;
  while (!every_partition_has_a_leader(handle, topic.get(), settings.partitions)) {
    if (monotonic_nanoseconds() > deadline) {
      return fail(ErrorKind::kUnavailable,
                  fmt::format("{}: not every partition has a leader", settings.topic));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

Result<NewTopic> describe_topic(const Settings& settings) {
  std::array<char, 256> reason{};
  NewTopic topic(rd_kafka_NewTopic_new(settings.topic.c_str(), settings.partitions, 1,
                                       reason.data(), reason.size()));
  if (!topic) return fail(ErrorKind::kInvalidArgument, reason.data());
  for (const std::string& text : settings.topic_properties) {
    auto property = split_property(text);
    if (!property) return fail(property.error());
    rd_kafka_NewTopic_set_config(topic.get(), property->first.c_str(), property->second.c_str());
  }
  return topic;
}

}  // namespace

Status create_topic(const Settings& settings) {
  auto admin = make_admin(settings);
  if (!admin) return fail(admin.error());
  auto topic = describe_topic(settings);
  if (!topic) return fail(topic.error());

  const int timeout = timeout_of(settings);
  QueueHandle queue(rd_kafka_queue_new(admin->get()));
  AdminOptions options = make_options(admin->get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
  rd_kafka_NewTopic_t* wanted = topic->get();
  rd_kafka_CreateTopics(admin->get(), &wanted, 1, options.get(), queue.get());
  auto event = answer(queue.get(), timeout);
  if (!event) return fail(event.error());

  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event->get()), &count);
  if (count != 1) return fail(ErrorKind::kUnavailable, "the broker's answer names no topic");
  if (Status created = topic_error(results[0]); !created) return created;
  return wait_for_leaders(admin->get(), settings);
}

Status delete_topic(const Settings& settings) {
  auto admin = make_admin(settings);
  if (!admin) return fail(admin.error());
  const int timeout = timeout_of(settings);
  QueueHandle queue(rd_kafka_queue_new(admin->get()));
  AdminOptions options = make_options(admin->get(), RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout);
  OldTopic topic(rd_kafka_DeleteTopic_new(settings.topic.c_str()));
  rd_kafka_DeleteTopic_t* unwanted = topic.get();
  rd_kafka_DeleteTopics(admin->get(), &unwanted, 1, options.get(), queue.get());
  auto event = answer(queue.get(), timeout);
  if (!event) return fail(event.error());

  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event->get()), &count);
  if (count != 1) return fail(ErrorKind::kUnavailable, "the broker's answer names no topic");
  return topic_error(results[0]);
}

}  // namespace magpie::bench
