#include "driver/measure.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "driver/consumer.h"
#include "driver/mock_cluster.h"
#include "driver/process_usage.h"
#include "driver/producer.h"

namespace magpie::bench {
namespace {

using Producers = std::vector<std::unique_ptr<Producer>>;

constexpr auto kSamplingInterval = std::chrono::milliseconds(2);
constexpr int kSamplesPerMemoryReading = 50;

// Processor time between start() and stop(), and the most memory seen in between.
class UsageWindow {
 public:
  explicit UsageWindow(int32_t broker_pid) : broker_pid_(broker_pid) {}

  void start() {
    client_start_ = process_usage(0).value_or(ProcessUsage{}).cpu_seconds;
    if (broker_pid_ != 0) threads_start_ = thread_cpu_seconds(broker_pid_);
    broker_start_ = sample_broker();
  }

  void sample() {
    if (++samples_ % kSamplesPerMemoryReading == 0) sample_broker();
  }

  void stop(Report& report) {
    report.client_cpu_seconds =
        process_usage(0).value_or(ProcessUsage{}).cpu_seconds - client_start_;
    if (broker_pid_ == 0) return;
    report.broker_cpu_seconds = sample_broker() - broker_start_;
    report.broker_busiest_thread_cpu_seconds = busiest_thread();
    report.broker_sampled = true;
    report.broker_resident_bytes = resident_;
    report.broker_anonymous_bytes = anonymous_;
  }

 private:
  double busiest_thread() {
    double most = 0;
    for (const auto& [thread, seconds] : thread_cpu_seconds(broker_pid_)) {
      most = std::max(most, seconds - threads_start_[thread]);
    }
    return most;
  }

  double sample_broker() {
    if (broker_pid_ == 0) return 0;
    const ProcessUsage usage = process_usage(broker_pid_).value_or(ProcessUsage{});
    resident_ = std::max(resident_, usage.resident_bytes);
    anonymous_ = std::max(anonymous_, usage.resident_anonymous_bytes);
    return usage.cpu_seconds;
  }

  const int32_t broker_pid_;
  double client_start_ = 0;
  double broker_start_ = 0;
  std::map<int32_t, double> threads_start_;
  uint64_t resident_ = 0;
  uint64_t anonymous_ = 0;
  int samples_ = 0;
};

Schedule make_schedule(const Settings& settings) {
  const double producers = settings.producers;
  Schedule schedule;
  schedule.start = monotonic_nanoseconds();
  schedule.measured_from = schedule.start + static_cast<int64_t>(settings.warmup_seconds * 1e9);
  schedule.end = schedule.start + static_cast<int64_t>(settings.seconds * 1e9);
  schedule.messages =
      settings.byte_budget / settings.message_bytes / static_cast<uint64_t>(settings.producers);
  if (settings.rate > 0) schedule.nanoseconds_per_message = 1e9 * producers / settings.rate;
  return schedule;
}

Result<Producers> make_producers(const Settings& settings, bool stamped) {
  Producers producers;
  for (int32_t i = 0; i < settings.producers; ++i) {
    auto producer = Producer::make(settings, i, stamped);
    if (!producer) return fail(producer.error());
    producers.push_back(std::move(*producer));
  }
  return producers;
}

std::vector<std::jthread> start_all(Producers& producers, const Schedule& schedule) {
  std::vector<std::jthread> threads;
  for (auto& producer : producers) {
    threads.emplace_back([&producer, schedule] { producer->run(schedule); });
  }
  return threads;
}

bool all_finished(const Producers& producers) {
  return std::all_of(producers.begin(), producers.end(),
                     [](const auto& producer) { return producer->finished(); });
}

uint64_t acknowledged(const Producers& producers) {
  uint64_t total = 0;
  for (const auto& producer : producers) total += producer->acknowledged();
  return total;
}

void wait_for_warmup(const Schedule& schedule) {
  const int64_t wait = schedule.measured_from - monotonic_nanoseconds();
  if (wait > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(wait));
}

void add_producers(const Producers& producers, Report& report) {
  for (const auto& producer : producers) {
    report.acknowledgement_latency.merge(producer->acknowledgement_latency());
    report.failed += producer->failed();
    if (report.first_failure.empty()) report.first_failure = producer->first_failure();
  }
}

Result<Report> checked(Report report) {
  if (report.messages == 0 || report.seconds <= 0) {
    return fail(ErrorKind::kInvalidArgument,
                "nothing was measured after the warm-up: raise the budget or lower the warm-up" +
                    (report.first_failure.empty() ? "" : " (" + report.first_failure + ")"));
  }
  return report;
}

double seconds_between(int64_t from, int64_t to) {
  return static_cast<double>(to - from) / 1e9;
}

}  // namespace

Result<Report> measure_produce(const Settings& wanted) {
  Settings settings = wanted;
  std::optional<MockCluster> mock;
  if (settings.mock_brokers > 0) {
    auto started = MockCluster::start(settings);
    if (!started) return fail(started.error());
    mock.emplace(std::move(*started));
    settings.brokers = mock->addresses();
  }
  auto producers = make_producers(settings, false);
  if (!producers) return fail(producers.error());

  const Schedule schedule = make_schedule(settings);
  UsageWindow usage(settings.broker_pid);
  std::vector<std::jthread> threads = start_all(*producers, schedule);
  wait_for_warmup(schedule);
  usage.start();
  const int64_t from = monotonic_nanoseconds();
  const uint64_t before = acknowledged(*producers);
  while (!all_finished(*producers)) {
    std::this_thread::sleep_for(kSamplingInterval);
    usage.sample();
  }
  Report report;
  usage.stop(report);
  threads.clear();

  int64_t to = from;
  for (const auto& producer : *producers) to = std::max(to, producer->last_acknowledged_at());
  report.messages = acknowledged(*producers) - before;
  report.seconds = seconds_between(from, to);
  add_producers(*producers, report);
  return checked(std::move(report));
}

Result<Report> measure_consume(const Settings& settings) {
  auto consumer = Consumer::make(settings, Consumer::Until::kEndOfPartitions);
  if (!consumer) return fail(consumer.error());
  UsageWindow usage(settings.broker_pid);
  usage.start();
  const int64_t from = monotonic_nanoseconds();
  std::jthread thread([&] { (*consumer)->run(); });
  while (!(*consumer)->finished()) {
    std::this_thread::sleep_for(kSamplingInterval);
    usage.sample();
  }
  Report report;
  usage.stop(report);
  thread.join();
  if (!(*consumer)->complete()) {
    const std::string& reason = (*consumer)->failure();
    return fail(ErrorKind::kUnavailable,
                reason.empty() ? "messages stopped before the end of every partition" : reason);
  }
  report.messages = (*consumer)->messages();
  report.seconds = seconds_between(from, (*consumer)->last_message_at());
  return checked(std::move(report));
}

Result<Report> measure_follow(const Settings& settings) {
  auto consumer = Consumer::make(settings, Consumer::Until::kTold);
  if (!consumer) return fail(consumer.error());
  auto producers = make_producers(settings, true);
  if (!producers) return fail(producers.error());

  const Schedule schedule = make_schedule(settings);
  (*consumer)->record_from(schedule.measured_from);
  std::jthread consuming([&] { (*consumer)->run(); });
  UsageWindow usage(settings.broker_pid);
  std::vector<std::jthread> threads = start_all(*producers, schedule);
  wait_for_warmup(schedule);
  usage.start();
  const int64_t from = monotonic_nanoseconds();
  const uint64_t before = (*consumer)->messages();
  while (!all_finished(*producers)) {
    std::this_thread::sleep_for(kSamplingInterval);
    usage.sample();
  }
  Report report;
  const uint64_t total = acknowledged(*producers);
  report.behind = total - std::min(total, (*consumer)->messages());
  (*consumer)->stop_after(total);
  while (!(*consumer)->finished()) std::this_thread::sleep_for(kSamplingInterval);
  usage.stop(report);
  threads.clear();
  consuming.join();
  if (!(*consumer)->complete()) {
    return fail(ErrorKind::kUnavailable, "acknowledged messages did not arrive");
  }
  report.messages = (*consumer)->messages() - before;
  report.seconds = seconds_between(from, (*consumer)->last_message_at());
  report.end_to_end_latency.merge((*consumer)->latency());
  report.append_to_consumer_latency.merge((*consumer)->latency_from_append());
  add_producers(*producers, report);
  return checked(std::move(report));
}

}  // namespace magpie::bench
