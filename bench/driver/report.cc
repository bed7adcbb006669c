#include "driver/report.h"

#include <nlohmann/json.hpp>

namespace magpie::bench {
namespace {

using Json = nlohmann::ordered_json;

Json settings_json(const Settings& settings) {
  return {{"mode", to_string(settings.mode)},
          {"mock_brokers", settings.mock_brokers},
          {"partitions", settings.partitions},
          {"message_bytes", settings.message_bytes},
          {"producers", settings.producers},
          {"acks", settings.acks},
          {"idempotent", settings.idempotent},
          {"linger_ms", settings.linger_milliseconds},
          {"batch_bytes", settings.batch_bytes},
          {"stick_bytes", settings.stick_bytes != 0 ? settings.stick_bytes : settings.batch_bytes},
          {"in_flight", settings.idempotent ? 5 : settings.in_flight},
          {"rate", settings.rate},
          {"byte_budget", settings.byte_budget},
          {"seconds", settings.seconds},
          {"warmup_seconds", settings.warmup_seconds},
          {"properties", settings.properties}};
}

Json latency_json(const Histogram& histogram) {
  const auto milliseconds = [&](double percent) {
    return static_cast<double>(histogram.percentile(percent)) / 1e6;
  };
  return {{"samples", histogram.count()},   {"p50_ms", milliseconds(50)},
          {"p90_ms", milliseconds(90)},     {"p99_ms", milliseconds(99)},
          {"p99_9_ms", milliseconds(99.9)}, {"max_ms", static_cast<double>(histogram.max()) / 1e6}};
}

}  // namespace

std::string to_json(const Settings& settings, const Report& report) {
  const double bytes = static_cast<double>(report.messages) * settings.message_bytes;
  const double gigabytes = bytes / 1e9;
  Json json = {{"settings", settings_json(settings)},
               {"messages", report.messages},
               {"seconds", report.seconds},
               {"messages_per_second", static_cast<double>(report.messages) / report.seconds},
               {"megabytes_per_second", bytes / 1e6 / report.seconds},
               {"failed", report.failed},
               {"client_cpu_seconds", report.client_cpu_seconds},
               {"client_cpu_seconds_per_gigabyte", report.client_cpu_seconds / gigabytes}};
  if (report.failed != 0) json["first_failure"] = report.first_failure;
  if (report.broker_sampled) {
    json["broker_cpu_seconds"] = report.broker_cpu_seconds;
    json["broker_cpu_seconds_per_gigabyte"] = report.broker_cpu_seconds / gigabytes;
    json["broker_busiest_thread_cpu_seconds"] = report.broker_busiest_thread_cpu_seconds;
    json["broker_resident_bytes"] = report.broker_resident_bytes;
    json["broker_anonymous_bytes"] = report.broker_anonymous_bytes;
  }
  if (report.acknowledgement_latency.count() != 0) {
    json["acknowledgement_latency"] = latency_json(report.acknowledgement_latency);
  }
  if (report.end_to_end_latency.count() != 0) {
    json["end_to_end_latency"] = latency_json(report.end_to_end_latency);
    json["behind_messages"] = report.behind;
  }
  if (report.append_to_consumer_latency.count() != 0) {
    json["append_to_consumer_latency"] = latency_json(report.append_to_consumer_latency);
  }
  return json.dump();
}

}  // namespace magpie::bench
