// What a produced batch costs before it reaches the log, alone and without any I/O.
//
// The same bytes are offered as batches of few large and of many small records. Time per batch must
// not depend on the number of records: nothing on this path looks inside a batch.
#include <benchmark/benchmark.h>

#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/validate.h"

namespace magpie::bench {
namespace {

constexpr size_t kBatchBytes = 1'000'000;

Buffer batch_of(size_t record_bytes) {
  record::BatchBuilder builder;
  const std::string value(record_bytes, 'm');
  while (builder.size_bytes() + record_bytes < kBatchBytes) {
    builder.add({.timestamp = 1'700'000'000'000, .key = {}, .value = value});
  }
  return builder.build();
}

void checksum(benchmark::State& state) {
  const std::string bytes(static_cast<size_t>(state.range(0)), 'm');
  for (auto _ : state) {
    benchmark::DoNotOptimize(crc32c(std::as_bytes(std::span(bytes))));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(100)->Arg(1'024)->Arg(16'384)->Arg(1'000'000);

void validate_produced_batch(benchmark::State& state) {
  const Buffer batch = batch_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    auto header = record::validate_produced(batch);
    CHECK(header.has_value());
    benchmark::DoNotOptimize(*header);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(batch.size()));
}
BENCHMARK(validate_produced_batch)
    ->ArgName("record_bytes")
    ->Arg(10)
    ->Arg(100)
    ->Arg(1'024)
    ->Arg(100'000);

}  // namespace
}  // namespace magpie::bench

BENCHMARK_MAIN();
