// The short suite: seeds that must pass, twice with the same hash, and bugs that must be caught.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "base/planted_bug.h"
#include "sim/campaign.h"
#include "sim/planted_names.h"
#include "sim/world.h"

namespace magpie::sim {
namespace {

constexpr uint64_t kShortSuite = 150;
constexpr uint64_t kRegionSuite = 30;

TEST(Sim, ShortSuiteKeepsEveryGuaranteeAndRepeats) {
  CampaignOptions options;
  options.last = kShortSuite;
  options.twice = true;
  options.say = [](const std::string& line) { ADD_FAILURE() << line; };
  const Campaign campaign = run_campaign(options);
  EXPECT_EQ(campaign.seeds, kShortSuite);
  EXPECT_GT(campaign.acknowledged, kShortSuite * 50) << "an empty run proves nothing";
  for (const std::string_view probe : required_probes()) {
    EXPECT_TRUE(campaign.probes.contains(std::string(probe))) << probe << " was never reached";
  }
}

TEST(Sim, RegionsKeepEveryGuaranteeAndRepeat) {
  CampaignOptions options;
  options.last = kRegionSuite;
  options.regions = true;
  options.twice = true;
  options.say = [](const std::string& line) { ADD_FAILURE() << line; };
  const Campaign campaign = run_campaign(options);
  EXPECT_EQ(campaign.seeds, kRegionSuite);
  EXPECT_GT(campaign.acknowledged, kRegionSuite * 50) << "an empty run proves nothing";
  for (const std::string_view probe : required_region_probes()) {
    EXPECT_TRUE(campaign.probes.contains(std::string(probe))) << probe << " was never reached";
  }
}

TEST(Sim, SeedsDiffer) {
  RunOptions first;
  first.seed = 1;
  RunOptions second;
  second.seed = 2;
  EXPECT_NE(run_seed(first).hash, run_seed(second).hash);
}

#ifdef MAGPIE_PLANTED_BUGS
class PlantedBugs : public testing::TestWithParam<PlantedName> {};

TEST_P(PlantedBugs, AreCaught) {
  plant(GetParam().bug);
  CampaignOptions options;
  options.first = static_cast<uint64_t>(GetParam().first);
  options.last = options.first + static_cast<uint64_t>(GetParam().seeds) - 1;
  options.stop_at_first = true;
  options.regions = GetParam().regions;
  const Campaign campaign = run_campaign(options);
  plant(PlantedBug::kNone);
  EXPECT_FALSE(campaign.failed.empty())
      << GetParam().name << " was not noticed within " << GetParam().seeds << " seeds from "
      << GetParam().first << " on";
}

std::string test_name(const testing::TestParamInfo<PlantedName>& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBugs,
                         testing::ValuesIn(planted_names().begin(), planted_names().end()),
                         test_name);

TEST(Sim, EveryPlantedBugIsTried) {
  std::set<PlantedBug> tried;
  for (const PlantedName& entry : planted_names()) {
    EXPECT_GT(entry.seeds, 0) << entry.name;
    tried.insert(entry.bug);
  }
  EXPECT_EQ(tried.size(), static_cast<size_t>(PlantedBug::kClampedTooFar));
}
#endif

}  // namespace
}  // namespace magpie::sim
