#include "driver/command_line.h"

#include <CLI/CLI.hpp>

namespace magpie::bench {
namespace {

void add_target(CLI::App& app, Settings& settings) {
  app.add_option("--brokers", settings.brokers, "bootstrap.servers")->capture_default_str();
  app.add_option("--topic", settings.topic)->capture_default_str();
  app.add_option("--partitions", settings.partitions)
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--seconds", settings.seconds, "longest duration")
      ->check(CLI::Range(0.01, 3'600.0))
      ->capture_default_str();
  app.add_option("--broker-pid", settings.broker_pid, "sample this process");
  app.add_option("--property,-X", settings.properties, "librdkafka property name=value");
}

void add_messages(CLI::App& app, Settings& settings) {
  app.add_option("--message-bytes", settings.message_bytes)
      ->check(CLI::Range(8, 900'000))
      ->capture_default_str();
}

void add_production(CLI::App& app, Settings& settings) {
  add_messages(app, settings);
  app.add_option("--producers", settings.producers)
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--byte-budget", settings.byte_budget, "payload bytes after which to stop")
      ->capture_default_str();
  app.add_option("--warmup-seconds", settings.warmup_seconds)->capture_default_str();
  app.add_option("--acks", settings.acks)->capture_default_str();
  app.add_flag("--idempotent", settings.idempotent);
  app.add_option("--linger-ms", settings.linger_milliseconds)->capture_default_str();
  app.add_option("--batch-bytes", settings.batch_bytes)->capture_default_str();
  app.add_option("--in-flight", settings.in_flight)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--stick-bytes", settings.stick_bytes,
                 "bytes to one partition before the next; 0: a batch");
  app.add_option("--rate", settings.rate, "messages per second; 0: as fast as possible");
}

CLI::App* add_mode(CLI::App& app, Settings& settings, Mode mode, const char* description) {
  CLI::App* command = app.add_subcommand(to_string(mode), description);
  add_target(*command, settings);
  command->callback([&settings, mode] { settings.mode = mode; });
  return command;
}

void define(CLI::App& app, Settings& settings) {
  app.require_subcommand(1);
  CLI::App* produce = add_mode(app, settings, Mode::kProduce, "produce");
  add_production(*produce, settings);
  produce->add_option("--mock-brokers", settings.mock_brokers,
                      "use mock brokers in this process instead of --brokers");
  CLI::App* consume = add_mode(app, settings, Mode::kConsume, "read the topic once");
  add_messages(*consume, settings);
  CLI::App* follow =
      add_mode(app, settings, Mode::kFollow, "produce and consume together, end-to-end latency");
  add_production(*follow, settings);
  follow->add_option("--consumer-brokers", settings.consumer_brokers,
                     "bootstrap.servers of the consumer, if it reads a copy in another cluster");
  CLI::App* create = add_mode(app, settings, Mode::kCreate, "create the topic");
  create->add_option("--topic-property", settings.topic_properties, "name=value");
  add_mode(app, settings, Mode::kDelete, "delete the topic");
}

}  // namespace

const char* to_string(Mode mode) {
  switch (mode) {
    case Mode::kProduce:
      return "produce";
    case Mode::kConsume:
      return "consume";
    case Mode::kFollow:
      return "follow";
    case Mode::kCreate:
      return "create";
    case Mode::kDelete:
      return "delete";
  }
  return "";
}

Result<Settings> parse_command_line(int argc, const char* const* argv, bool& help) {
  Settings settings;
  CLI::App app("One measured run of a Kafka client; prints one JSON object.");
  define(app, settings);
  help = false;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    help = true;
    return fail(ErrorKind::kInvalidArgument, app.help());
  } catch (const CLI::ParseError& error) {
    return fail(ErrorKind::kInvalidArgument, error.what());
  }
  return settings;
}

}  // namespace magpie::bench
