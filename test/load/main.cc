#include <CLI/CLI.hpp>

#include "load.h"

int main(int argc, char** argv) {
  using magpie::load::Settings;
  CLI::App app("A Kafka client that writes down what it was promised and what it saw");
  app.require_subcommand(1);
  Settings settings;
  int (*mode)(const Settings&) = nullptr;

  const auto add = [&](const char* name, const char* what, int (*run)(const Settings&)) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("bootstrap", settings.bootstrap, "HOST:PORT[,HOST:PORT…]")->required();
    command->add_option("topic", settings.topic)->required();
    command->add_option("--partitions", settings.partitions)->check(CLI::Range(1, 100'000));
    command->add_option("--set", settings.client, "name=value for librdkafka");
    command->callback([&mode, run] { mode = run; });
    return command;
  };
  CLI::App* produce =
      add("produce", "Write numbered records until standard input closes", magpie::load::produce);
  produce->add_option("--rate", settings.rate, "records per second")
      ->check(CLI::Range(1, 1'000'000));
  produce->add_option("--bytes", settings.bytes, "size of a value")
      ->check(CLI::Range(1, 1'000'000));
  CLI::App* consume =
      add("consume", "Read in a group until standard input closes", magpie::load::consume);
  consume->add_option("--group", settings.group)->required();
  CLI::App* positions =
      add("positions", "Say what a group has committed", magpie::load::show_positions);
  positions->add_option("--group", settings.group)->required();
  add("read", "Read everything that is there", magpie::load::read_all);
  CLI11_PARSE(app, argc, argv);
  return mode(settings);
}
