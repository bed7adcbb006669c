#include "driver/handle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

namespace magpie::bench {
namespace {

using Property = std::pair<const char*, std::string>;

constexpr uint64_t kQueueKibibytesMin = 32 * 1'024;
constexpr uint64_t kQueueKibibytesMax = 128 * 1'024;

// Properties of the command line come last, so that they win.
Result<Properties> make_properties(const Settings& settings,
                                   std::initializer_list<Property> properties) {
  Properties conf(rd_kafka_conf_new());
  // Warnings and worse; standard output belongs to the result.
  if (Status set = set_property(conf.get(), "log_level", "4"); !set) return fail(set.error());
  for (const auto& [name, value] : properties) {
    if (Status set = set_property(conf.get(), name, value); !set) return fail(set.error());
  }
  for (const std::string& text : settings.properties) {
    auto property = split_property(text);
    if (!property) return fail(property.error());
    Status set = set_property(conf.get(), property->first, property->second);
    if (!set) return fail(set.error());
  }
  return conf;
}

Result<Handle> make_handle(rd_kafka_type_t type, Properties properties) {
  std::array<char, 512> reason{};
  // rd_kafka_new takes the properties only when it succeeds.
  rd_kafka_t* handle = rd_kafka_new(type, properties.get(), reason.data(), reason.size());
  if (handle == nullptr) return fail(ErrorKind::kInvalidArgument, reason.data());
  static_cast<void>(properties.release());
  return Handle(handle);
}

// Room for twice what may be in flight, shared by the producers: more would only be waited for at
// the end of a run against a slow broker.
uint64_t queue_kibibytes(const Settings& settings) {
  const uint64_t in_flight =
      uint64_t{2} * static_cast<uint64_t>(settings.in_flight) * settings.batch_bytes / 1'024;
  const auto producers = static_cast<uint64_t>(settings.producers);
  return std::max(std::clamp(in_flight, kQueueKibibytesMin, kQueueKibibytesMax) / producers,
                  kQueueKibibytesMin / 2);
}

}  // namespace

Status set_property(rd_kafka_conf_t* properties, const std::string& name,
                    const std::string& value) {
  std::array<char, 512> reason{};
  if (rd_kafka_conf_set(properties, name.c_str(), value.c_str(), reason.data(), reason.size()) !=
      RD_KAFKA_CONF_OK) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("{}={}: {}", name, value, reason.data()));
  }
  return {};
}

Result<std::pair<std::string, std::string>> split_property(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("\"{}\" is not name=value", text));
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<Handle> make_producer(const Settings& settings, DeliveryCallback callback, void* opaque) {
  auto properties = make_properties(
      settings, {{"bootstrap.servers", settings.brokers},
                 {"client.id", "magpie-bench"},
                 {"acks", settings.acks},
                 {"enable.idempotence", settings.idempotent ? "true" : "false"},
                 {"linger.ms", fmt::format("{}", settings.linger_milliseconds)},
                 {"batch.size", fmt::format("{}", settings.batch_bytes)},
                 {"batch.num.messages", "1000000"},  // so that bytes decide
                 {"max.in.flight", fmt::format("{}", settings.idempotent ? 5 : settings.in_flight)},
                 {"queue.buffering.max.messages", "500000"},
                 {"queue.buffering.max.kbytes", fmt::format("{}", queue_kibibytes(settings))},
                 {"message.timeout.ms", "60000"},
                 {"socket.nagle.disable", "true"}});
  if (!properties) return fail(properties.error());
  if (callback != nullptr) {
    rd_kafka_conf_set_dr_msg_cb(properties->get(), callback);
    rd_kafka_conf_set_opaque(properties->get(), opaque);
  }
  return make_handle(RD_KAFKA_PRODUCER, std::move(*properties));
}

Result<Handle> make_consumer(const Settings& settings, bool end_events) {
  const bool elsewhere = !settings.consumer_brokers.empty();
  auto properties = make_properties(
      settings, {{"bootstrap.servers", elsewhere ? settings.consumer_brokers : settings.brokers},
                 {"client.id", "magpie-bench"},
                 {"enable.partition.eof", end_events ? "true" : "false"},
                 {"socket.nagle.disable", "true"},
                 {"fetch.wait.max.ms", "500"},
                 {"fetch.min.bytes", "1"},
                 {"fetch.error.backoff.ms", "5"},
                 // A full local queue makes librdkafka 2.0 pause a partition for up to a second,
                 // which would measure the client: room for more than any run needs.
                 {"queued.min.messages", "10000000"},
                 {"queued.max.messages.kbytes", "1048576"}});
  if (!properties) return fail(properties.error());
  return make_handle(RD_KAFKA_CONSUMER, std::move(*properties));
}

Result<Handle> make_admin(const Settings& settings) {
  auto properties = make_properties(
      settings, {{"bootstrap.servers", settings.brokers}, {"client.id", "magpie-bench"}});
  if (!properties) return fail(properties.error());
  return make_handle(RD_KAFKA_PRODUCER, std::move(*properties));
}

}  // namespace magpie::bench
