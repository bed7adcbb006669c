#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "admin/test_bench.h"

namespace magpie::admin {
namespace {

using nlohmann::json;

StoreStatus frozen() {
  StoreStatus status;
  status.self = {NodeId{1}, {{1}}};
  status.store_id = 18'000'000'000'000'000'001u;
  status.frozen = true;
  status.trouble = "another store";
  status.found = 8;
  status.complete = true;
  status.highest["default"] = LeaderEpoch{7};
  return status;
}

TEST(StoreCopy, ANodeThatIsAloneHasNoStore) {
  TestBench bench;
  EXPECT_EQ(bench.get("/v1/store").status, 409);
  EXPECT_EQ(bench.get("/v1/store/copy").body["error"]["code"], "single_node");
}

TEST(StoreCopy, SaysHowTheNodeStandsWithTheStore) {
  TestBench bench;
  bench.store = frozen;
  bench.regions = [] {
    RegionsStatus status;
    status.led.push_back({"default", LeaderEpoch{6}});
    return status;
  };
  const json shown = bench.get("/v1/store").body;
  EXPECT_EQ(shown["state"], "frozen");
  EXPECT_EQ(shown["store"], "18000000000000000001") << "every digit";
  EXPECT_EQ(shown["found"], "8");
  EXPECT_EQ(shown["adopted_up_to"], nullptr);
  EXPECT_EQ(shown["trouble"], "another store");
  EXPECT_EQ(shown["incarnation"], to_string(Uuid{{1}}));
  EXPECT_EQ(shown["groups"], (json{{"default", {{"highest_epoch", 7}, {"leads_in_epoch", 6}}}}));
  EXPECT_FALSE(shown.contains("entries"));
}

TEST(StoreCopy, TheCopyHasEveryKey) {
  TestBench bench;
  bench.create_topic("orders", 2);
  bench.store = frozen;
  const json shown = bench.get("/v1/store/copy").body;
  EXPECT_EQ(shown["revision"], bench.control.state().revision());
  EXPECT_EQ(shown["entries"].size(), bench.control.state().entries().size());
  EXPECT_EQ(shown["entries"]["topics/orders"],
            bench.control.state().entries().at("topics/orders").value);
}

TEST(StoreCopy, TheStateIsOneWord) {
  TestBench bench;
  StoreStatus status;
  bench.store = [&] { return status; };
  EXPECT_EQ(bench.get("/v1/store").body["state"], "starting");
  EXPECT_EQ(bench.get("/v1/store").body["incarnation"], nullptr);
  status.current = true;
  EXPECT_EQ(bench.get("/v1/store").body["state"], "current");
  status.trouble = "connection refused";
  EXPECT_EQ(bench.get("/v1/store").body["state"], "unreachable");
}

}  // namespace
}  // namespace magpie::admin
