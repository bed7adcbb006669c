// DeleteRecords with copies in other regions.
#include "node/testing/regions_fixture.h"
#include "wire/delete_records.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class DeletedRecordsTest : public RegionsTest {
 protected:
  // Asks node 1 to drop what lies below `offset`, within five seconds.
  void delete_before(int64_t offset) {
    wire::DeleteRecordsRequest request;
    request.timeout_ms = 5'000;
    request.topics.push_back({"t", {{0, offset}}});
    world_.client(0).send(request, 2);
  }
  std::optional<ErrorCode> deletion(Duration limit) {
    std::optional<wire::DeleteRecordsResponse> answer;
    world_.run_until(
        [&] {
          return (answer = world_.client(0).take<wire::DeleteRecordsResponse>(2)).has_value();
        },
        limit);
    if (!answer) return std::nullopt;
    return answer->topics.at(0).partitions.at(0).error_code;
  }
};

// Of a log to which nobody writes, too: a failover does not bring back what was dropped.
TEST_F(DeletedRecordsTest, DeletedRecordsAreGoneFromEveryMemberWhenThatIsAnswered) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "first"), ErrorCode::kNone);
  ASSERT_EQ(produce_at(0, "second"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(2));
  delete_before(1);
  EXPECT_EQ(deletion(Duration::seconds(1)), ErrorCode::kNone);
  EXPECT_EQ(log_start(0), 1);
  EXPECT_EQ(log_start(static_cast<size_t>(sync_set().at(0)) - 1), 1);
  world_.run_for(Duration::milliseconds(500));
  EXPECT_EQ(log_start(1), 1);
  EXPECT_EQ(log_start(2), 1);
}

TEST_F(DeletedRecordsTest, ADeletionWaitsForAMemberOnlyAsLongAsTheClient) {
  start();
  create(0);
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "first"), ErrorCode::kNone);
  world_.cut(0, 1);
  world_.cut(0, 2);
  world_.cut_store(0);
  delete_before(1);
  EXPECT_EQ(deletion(Duration::milliseconds(4'900)), std::nullopt);
  EXPECT_EQ(deletion(Duration::milliseconds(200)), ErrorCode::kRequestTimedOut);
  EXPECT_EQ(log_start(0), 1) << "it stays dropped here";
}

// Nobody is required in a group without copies, until it is handed over: whoever leads next must
// not show again what clients were told is gone (found by the simulator, seed 801184).
TEST_F(DeletedRecordsTest, ADeletionWaitsForWhoeverIsAboutToLead) {
  start_bulk();
  ASSERT_EQ(produce_at(0, "two"), ErrorCode::kNone);
  world_.run_for(Duration::seconds(1));
  const std::string switchover =
      nlohmann::json{{"kind", "switchover"}, {"groups", {"bulk"}}, {"to", "b"}}.dump();
  world_.node(0).begin_http("POST", "/v1/operations", switchover);
  ASSERT_TRUE(world_.run_until([&] { return leadership("bulk").contains("draining"); }));
  world_.run_for(Duration::milliseconds(1));  // the leader hears of it
  delete_before(1);
  const std::optional<ErrorCode> answered = deletion(Duration::seconds(5));
  ASSERT_TRUE(world_.run_until([&] { return leader("bulk") == 2 && is_open("bulk"); }));
  EXPECT_EQ(log_start(1), 0) << "it was to lead before it heard of the deletion";
  EXPECT_EQ(answered, ErrorCode::kNotLeaderOrFollower);
}

}  // namespace
}  // namespace magpie::node::testing
