// Owners for librdkafka's C objects, and the one place where client properties are set, so that
// every run and every peer gets exactly the same client.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "driver/settings.h"

namespace magpie::bench {

struct Deleter {
  void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_conf_t* properties) const { rd_kafka_conf_destroy(properties); }
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};

using Handle = std::unique_ptr<rd_kafka_t, Deleter>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, Deleter>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Deleter>;
using Properties = std::unique_ptr<rd_kafka_conf_t, Deleter>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, Deleter>;

// Called on the thread that polls, once for every message that was acknowledged or given up.
using DeliveryCallback = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);

// A producer. `opaque` is handed to the callback and must outlive the handle.
Result<Handle> make_producer(const Settings& settings, DeliveryCallback callback, void* opaque);

// A consumer for the simple interface (explicit partitions and offsets, no consumer group).
// `end_events` asks for an event at the end of every partition.
Result<Handle> make_consumer(const Settings& settings, bool end_events);

// A handle without callbacks, for administration and for hosting mock brokers.
Result<Handle> make_admin(const Settings& settings);

Status set_property(rd_kafka_conf_t* properties, const std::string& name, const std::string& value);

// Splits "name=value"; kInvalidArgument without "=".
Result<std::pair<std::string, std::string>> split_property(const std::string& text);

}  // namespace magpie::bench
