// The benchmark client: one run per process, one JSON object on standard output.
#include <cstdio>

#include "driver/command_line.h"
#include "driver/measure.h"
#include "driver/topic.h"

namespace {

using magpie::Result;
using magpie::Status;
using magpie::bench::Mode;
using magpie::bench::Report;
using magpie::bench::Settings;

constexpr int kUsageError = 2;

int finish(const Status& status) {
  if (status) return 0;
  std::fprintf(stderr, "magpie-bench-driver: %s\n", status.error().message.c_str());
  return 1;
}

int finish(const Settings& settings, const Result<Report>& report) {
  if (!report) return finish(magpie::fail(report.error()));
  std::puts(to_json(settings, *report).c_str());
  return 0;
}

int run(const Settings& settings) {
  switch (settings.mode) {
    case Mode::kProduce:
      return finish(settings, measure_produce(settings));
    case Mode::kConsume:
      return finish(settings, measure_consume(settings));
    case Mode::kFollow:
      return finish(settings, measure_follow(settings));
    case Mode::kCreate:
      return finish(create_topic(settings));
    case Mode::kDelete:
      return finish(delete_topic(settings));
  }
  return kUsageError;
}

}  // namespace

int main(int argc, char** argv) {
  bool help = false;
  const auto settings = magpie::bench::parse_command_line(argc, argv, help);
  if (settings) return run(*settings);
  std::fprintf(help ? stdout : stderr, "%s\n", settings.error().message.c_str());
  return help ? 0 : kUsageError;
}
