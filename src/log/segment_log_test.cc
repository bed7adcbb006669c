#include "log/segment_log.h"

#include <gtest/gtest.h>

#include "engine/engine_conformance_tests.h"
#include "log/log_harness.h"

namespace magpie::engine {
namespace {

template <log::Crash mode, uint64_t seed>
std::unique_ptr<EngineHarness> make_harness() {
  return std::make_unique<log::LogHarness>(seed, mode);
}

INSTANTIATE_TEST_SUITE_P(SegmentLog, EngineConformance,
                         testing::Values(&make_harness<log::Crash::kProcess, 1>,
                                         &make_harness<log::Crash::kLoseAll, 2>,
                                         &make_harness<log::Crash::kTear, 3>,
                                         &make_harness<log::Crash::kTear, 4>));

}  // namespace
}  // namespace magpie::engine
