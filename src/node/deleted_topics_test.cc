// Topics that were deleted: kept on the disk, restored, purged, whatever the process does
// meanwhile.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "node/testing/regions_world.h"
#include "node/testing/topics.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"
#include "wire/offset_fetch.h"

namespace magpie::node::testing {
namespace {

using nlohmann::json;
using wire::ErrorCode;

class DeletedTopicsTest : public ::testing::Test {
 protected:
  DeletedTopicsTest() {
    harness_.config.auto_create_topics = false;
    harness_.config.deleted_topics_kept = Duration::seconds(3'600);
    harness_.boot();
  }
  void reboot() {
    harness_.crash();
    harness_.boot();
    client_.forget_connection();
  }
  void remove(const std::string& name) {
    wire::DeleteTopicsRequest request;
    request.topic_names = {name};
    const auto answer = client_.call<wire::DeleteTopicsResponse>(request, 5).responses.at(0);
    ASSERT_EQ(answer.error_code, ErrorCode::kNone);
  }
  bool exists(const std::string& name) {
    wire::MetadataRequest request;
    request.topics.emplace().push_back({{}, name});
    const auto found = client_.call<wire::MetadataResponse>(request).topics.at(0);
    return found.error_code == ErrorCode::kNone;
  }
  json restore(const std::string& which) {
    return json::parse(harness_.http("POST", "/v1/deleted-topics/" + which + "/restore").body);
  }
  std::vector<std::string> values(const std::string& topic, int32_t partition = 0) {
    std::vector<std::string> all;
    for (const auto& [offset, value] : records_in(fetch(client_, topic, partition, 0))) {
      all.push_back(value);
    }
    return all;
  }
  void commit(int64_t offset) {
    wire::OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.emplace_back().name = "t";
    request.topics[0].partitions.push_back({1, offset, -1, std::nullopt});
    const auto answer = client_.call<wire::OffsetCommitResponse>(request);
    ASSERT_EQ(answer.topics.at(0).partitions.at(0).error_code, ErrorCode::kNone);
  }
  int64_t position() {
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics.emplace().push_back({"t", {1}});
    const auto answer = client_.call<wire::OffsetFetchResponse>(request, 7);
    return answer.topics.at(0).partitions.at(0).committed_offset;
  }
  size_t files_below(const std::string& prefix) {
    size_t count = 0;
    for (const auto& [path, content] : harness_.disk.files()) {
      count += path.starts_with(prefix) ? 1 : 0;
    }
    return count;
  }
  void create_with(const std::string& topic, const std::string& value) {
    create_topic(client_, topic, 2);
    ASSERT_EQ(produce(client_, topic, 1, batch_of({value})).error_code, ErrorCode::kNone);
  }

  NodeHarness harness_;
  TestClient client_{harness_};
};

TEST_F(DeletedTopicsTest, ADeletedTopicIsGoneForClientsAndComesBack) {
  create_with("t", "one");
  remove("t");
  EXPECT_FALSE(exists("t"));
  EXPECT_EQ(files_below("topics/t-"), 0u);
  EXPECT_GT(files_below("deleted/"), 0u);
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_EQ(files_below("deleted/"), 0u);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  EXPECT_EQ(produce(client_, "t", 1, batch_of({"two"})).error_code, ErrorCode::kNone);
  reboot();
  EXPECT_EQ(values("t", 1), (std::vector<std::string>{"one", "two"}));
}

TEST_F(DeletedTopicsTest, ARestartForgetsNothing) {
  create_with("t", "one");
  remove("t");
  reboot();
  EXPECT_GT(files_below("deleted/"), 0u);
  EXPECT_EQ(files_below("quarantine/"), 0u);
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
}

TEST_F(DeletedTopicsTest, WhatTheProcessDidNotMoveIsMovedByTheNext) {
  create_with("t", "one");
  const auto before = harness_.disk.files();
  remove("t");
  // The deletion is in the journal, the folders are where they were.
  for (const auto& [path, content] : before) {
    if (path.starts_with("topics/t-")) harness_.disk.files()[path] = content;
  }
  std::erase_if(harness_.disk.files(),
                [](const auto& entry) { return entry.first.starts_with("deleted/"); });
  reboot();
  EXPECT_EQ(files_below("topics/t-"), 0u);
  EXPECT_EQ(files_below("quarantine/"), 0u);
  const auto kept = harness_.disk.files();
  EXPECT_TRUE(restore("t")["restored"]);
  // The same on the way back.
  for (const auto& [path, content] : kept) {
    if (path.starts_with("deleted/")) harness_.disk.files()[path] = content;
  }
  std::erase_if(harness_.disk.files(),
                [](const auto& entry) { return entry.first.starts_with("topics/t-"); });
  reboot();
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  EXPECT_EQ(files_below("deleted/"), 0u);
}

// A node that was down while a newer topic was deleted and the older one of the name restored.
TEST_F(DeletedTopicsTest, AFolderGoesAsideForTheOneThatWasRestoredMeanwhile) {
  create_with("t", "old");
  remove("t");
  create_with("t", "new");
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  const std::string old = listed["deleted_topics"][0]["id"];
  const auto before = harness_.disk.files();
  remove("t");
  EXPECT_TRUE(restore(old)["restored"]);
  const auto is_moved = [](const std::string& path) {
    return path.starts_with("topics/t-") || path.starts_with("deleted/");
  };
  std::erase_if(harness_.disk.files(), [&](const auto& entry) { return is_moved(entry.first); });
  for (const auto& [path, content] : before) {
    if (is_moved(path)) harness_.disk.files()[path] = content;
  }
  reboot();
  EXPECT_EQ(files_below("quarantine/"), 0u);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"old"});
  remove("t");
  const json both = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  ASSERT_EQ(both["deleted_topics"].size(), 2u);
  const size_t newer = both["deleted_topics"][0]["id"] == old ? 1 : 0;
  EXPECT_TRUE(restore(both["deleted_topics"][newer]["id"])["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"new"});
}

TEST_F(DeletedTopicsTest, ANewTopicOfTheNameIsEmptyAndStandsInTheWay) {
  create_with("t", "old");
  remove("t");
  create_with("t", "new");
  reboot();
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"new"});
  EXPECT_EQ(restore("t")["error"]["code"], "topic_already_exists");
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  const std::string old = listed["deleted_topics"][0]["id"];
  remove("t");
  EXPECT_EQ(restore("t")["error"]["code"], "invalid_request") << "two had the name";
  EXPECT_TRUE(restore(old)["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"old"});
}

TEST_F(DeletedTopicsTest, WhenTheTimeIsOverTheRecordsGo) {
  create_with("t", "one");
  remove("t");
  harness_.advance(Duration::seconds(3'500));
  EXPECT_GT(files_below("deleted/"), 0u);
  harness_.advance(Duration::seconds(200));
  EXPECT_EQ(files_below("deleted/"), 0u);
  EXPECT_TRUE(harness_.has_logged("deleted_topic_removed"));
  EXPECT_EQ(restore("t")["error"]["code"], "topic_not_found");
}

TEST_F(DeletedTopicsTest, WhoNeedsTheRoomPurges) {
  create_with("t", "one");
  remove("t");
  harness_.http("DELETE", "/v1/deleted-topics/t");
  harness_.advance(Duration::seconds(2));
  EXPECT_EQ(files_below("deleted/"), 0u);
  create_with("t", "two");
  harness_.http("DELETE", "/v1/topics/t", R"({"purge":true})");
  EXPECT_EQ(files_below("deleted/"), 0u);
  EXPECT_EQ(files_below("topics/t-"), 0u);
}

TEST_F(DeletedTopicsTest, PositionsOfConsumerGroupsComeBackToo) {
  create_with("t", "old");
  commit(1);
  remove("t");
  EXPECT_EQ(position(), -1);
  create_with("t", "new");
  EXPECT_EQ(position(), -1) << "it is another topic";
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  const std::string old = listed["deleted_topics"][0]["id"];
  EXPECT_GT(listed["deleted_topics"][0]["bytes"], 0);
  const json group = json::parse(harness_.http("GET", "/v1/groups/g").body);
  EXPECT_EQ(group["positions"], json::array()) << "nobody is shown what is put aside";
  reboot();
  EXPECT_EQ(position(), -1);
  remove("t");
  EXPECT_TRUE(restore(old)["restored"]);
  EXPECT_EQ(position(), 1);
  reboot();
  EXPECT_EQ(position(), 1);
  remove("t");
  harness_.http("DELETE", "/v1/deleted-topics");
  harness_.advance(Duration::seconds(2));
  create_with("t", "third");
  EXPECT_EQ(position(), -1);
  const json gone = json::parse(harness_.http("GET", "/v1/groups/g").body);
  EXPECT_EQ(gone["error"]["code"], "group_not_found") << gone.dump();
}

TEST_F(DeletedTopicsTest, AProducerGoesOnWhereItWas) {
  create_topic(client_, "t", 2);
  const Buffer first = batch_of({"one"}, 7, 0, 0);
  ASSERT_EQ(produce(client_, "t", 1, first).error_code, ErrorCode::kNone);
  remove("t");
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_EQ(produce(client_, "t", 1, first).base_offset, 0) << "it is known";
  EXPECT_EQ(produce(client_, "t", 1, batch_of({"three"}, 7, 0, 2)).error_code,
            ErrorCode::kOutOfOrderSequenceNumber);
  EXPECT_EQ(produce(client_, "t", 1, batch_of({"two"}, 7, 0, 1)).error_code, ErrorCode::kNone);
  EXPECT_EQ(values("t", 1), (std::vector<std::string>{"one", "two"}));
}

TEST_F(DeletedTopicsTest, RetentionWaitsUntilItIsBack) {
  create_topic(client_, "t", 2, {{"retention.ms", "600000"}, {"segment.ms", "60000"}});
  const int64_t now = harness_.now().wall.millis;
  ASSERT_EQ(produce(client_, "t", 1, batch_of({"one"}, now)).error_code, ErrorCode::kNone);
  remove("t");
  harness_.advance(Duration::seconds(3'000));
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  harness_.advance(Duration::seconds(1'000));
  EXPECT_EQ(fetch(client_, "t", 1, 0).error_code, ErrorCode::kOffsetOutOfRange);
}

// --- a disk that moves nothing -------------------------------------------------------------------

TEST_F(DeletedTopicsTest, AFolderThatCannotBeMovedIsInTheWayOfItsName) {
  create_with("t", "old");
  harness_.disk.hold_folders("deleted/");
  remove("t");
  EXPECT_FALSE(exists("t"));
  EXPECT_TRUE(harness_.has_logged("deleted_folder_stuck"));
  const json status = json::parse(harness_.http("GET", "/v1/status").body);
  EXPECT_EQ(status["stuck_folders"].size(), 2u) << status.dump();
  create_topic(client_, "t", 2);
  EXPECT_NE(produce(client_, "t", 1, batch_of({"early"})).error_code, ErrorCode::kNone);
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 503);
  harness_.advance(Duration::seconds(5));
  // Gone again, it takes nothing with it.
  remove("t");
  EXPECT_GT(files_below("topics/t-"), 0u);
  create_topic(client_, "t", 2);
  harness_.disk.hold_folders(std::nullopt);
  harness_.advance(Duration::seconds(3));
  EXPECT_TRUE(harness_.has_logged("deleted_folder_moved"));
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 200);
  EXPECT_EQ(produce(client_, "t", 1, batch_of({"new"})).error_code, ErrorCode::kNone);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"new"});
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  ASSERT_EQ(listed["deleted_topics"].size(), 2u) << listed.dump(1);
  const std::string old = listed["deleted_topics"][0]["id"];
  remove("t");
  EXPECT_TRUE(restore(old)["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"old"});
}

TEST_F(DeletedTopicsTest, WhatWasNotMovedIsRestoredWhereItIsOrMovedByTheNextProcess) {
  create_with("t", "one");
  harness_.disk.hold_folders("deleted/");
  remove("t");
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  remove("t");
  create_topic(client_, "t", 2);
  reboot();
  EXPECT_NE(produce(client_, "t", 1, batch_of({"early"})).error_code, ErrorCode::kNone);
  harness_.disk.hold_folders(std::nullopt);
  harness_.advance(Duration::seconds(3));
  EXPECT_EQ(values("t", 1), std::vector<std::string>{});
  remove("t");
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  EXPECT_TRUE(restore(listed["deleted_topics"][0]["id"])["restored"]);
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
}

TEST_F(DeletedTopicsTest, WhatCannotBeMovedBackIsServedWhenItCan) {
  create_with("t", "one");
  remove("t");
  harness_.disk.hold_folders("deleted/");
  EXPECT_TRUE(restore("t")["restored"]);
  EXPECT_NE(fetch(client_, "t", 1, 0).error_code, ErrorCode::kNone);
  EXPECT_EQ(harness_.http("GET", "/readyz").status, 503);
  harness_.disk.hold_folders(std::nullopt);
  harness_.advance(Duration::seconds(3));
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  EXPECT_EQ(files_below("deleted/"), 0u);
}

TEST_F(DeletedTopicsTest, WhatWasNotMovedIsPurgedWhereItIs) {
  create_with("t", "one");
  harness_.disk.hold_folders("deleted/");
  remove("t");
  harness_.http("DELETE", "/v1/deleted-topics/t");
  harness_.advance(Duration::seconds(3));
  EXPECT_EQ(files_below("topics/t-"), 0u);
  EXPECT_TRUE(json::parse(harness_.http("GET", "/v1/status").body)
                  .value("stuck_folders", json())
                  .is_null());
}

// The state can be older than the disk, if it is a copy of a control store's.
TEST_F(DeletedTopicsTest, AFolderThatBearsAnIdComesBeforeOneThatBearsAName) {
  create_with("t", "one");
  const auto before = harness_.disk.files();
  remove("t");
  create_with("t", "another");
  for (const auto& [path, content] : before) {
    if (path.starts_with("control/")) harness_.disk.files()[path] = content;
  }
  reboot();
  EXPECT_EQ(values("t", 1), std::vector<std::string>{"one"});
  EXPECT_GT(files_below("quarantine/t-1"), 0u) << "whose that is, is not known";
}

TEST_F(DeletedTopicsTest, WhenTheDiskIsFullDeletedTopicsMakeRoom) {
  create_with("t", "one");
  create_with("u", "one");
  create_with("v", "one");
  remove("t");
  harness_.advance(Duration::seconds(2));
  remove("u");
  harness_.disk.set_write_error_below("topics/v",
                                      Error{ErrorKind::kNoSpace, "no space left on device"});
  produce(client_, "v", 1, batch_of({"two"}));
  harness_.advance(Duration::seconds(2));
  EXPECT_FALSE(harness_.has_logged("deleted_topic_gives_way")) << "it may pass";
  harness_.advance(Duration::seconds(3));
  const json listed = json::parse(harness_.http("GET", "/v1/deleted-topics").body);
  ASSERT_EQ(listed["deleted_topics"].size(), 1u) << "one after the other";
  EXPECT_EQ(listed["deleted_topics"][0]["name"], "u");
  harness_.disk.set_write_error(std::nullopt);
  harness_.advance(Duration::seconds(20));
  EXPECT_EQ(json::parse(harness_.http("GET", "/v1/deleted-topics").body)["deleted_topics"].size(),
            1u);
}

TEST_F(DeletedTopicsTest, OneAfterTheOtherMakesRoom) {
  create_with("t", "one");
  create_with("u", "one");
  create_with("v", "one");
  remove("t");
  remove("u");
  harness_.disk.set_write_error_below("topics/v",
                                      Error{ErrorKind::kNoSpace, "no space left on device"});
  produce(client_, "v", 1, batch_of({"two"}));
  harness_.disk.hold_below("deleted/");
  harness_.advance(Duration::seconds(20));
  EXPECT_EQ(json::parse(harness_.http("GET", "/v1/deleted-topics").body)["deleted_topics"].size(),
            1u)
      << "the first one is still being removed";
}

TEST_F(DeletedTopicsTest, AClockThatJumpsAheadEndsNothing) {
  create_with("t", "one");
  remove("t");
  harness_.advance(Duration::seconds(2));
  harness_.set_wall_clock({harness_.now().wall.millis + 90'000'000});
  harness_.advance(Duration::seconds(10));
  EXPECT_TRUE(harness_.has_logged("clock_jumped"));
  EXPECT_GT(files_below("deleted/"), 0u);
  harness_.set_wall_clock({harness_.now().wall.millis - 90'000'000});
  harness_.advance(Duration::seconds(3'500));
  EXPECT_GT(files_below("deleted/"), 0u);
  harness_.advance(Duration::seconds(200));
  EXPECT_EQ(files_below("deleted/"), 0u);
}

// --- with several regions ------------------------------------------------------------------------

class DeletedInRegionsTest : public ::testing::Test {
 protected:
  DeletedInRegionsTest() {
    for (size_t i = 0; i < 3; ++i) {
      world_.node(i).config.deleted_topics_kept = Duration::seconds(3'600);
    }
    world_.boot_all();
  }
  json ask(size_t index, const std::string& method, const std::string& path,
           const std::string& body = "") {
    const auto exchange = world_.node(index).begin_http(method, path, body);
    std::optional<port::HttpRespond> answer;
    world_.run_until([&] { return (answer = world_.node(index).take_http(exchange)).has_value(); });
    return answer ? json::parse(answer->body) : json::object();
  }
  json leadership() {
    const std::string value = world_.stored("leadership/default");
    return value.empty() ? json::object() : json::parse(value);
  }
  bool is_in_sync() { return leadership().value("state", "") == "sync"; }
  size_t files_at(size_t index, const std::string& prefix) {
    size_t count = 0;
    for (const auto& [path, content] : world_.node(index).disk.files()) {
      count += path.starts_with(prefix) ? 1 : 0;
    }
    return count;
  }
  // The key of a topic that is deleted or being restored.
  std::string record_of(const std::string& topic) {
    const json one = ask(1, "GET", "/v1/topics/" + topic);
    return "deleted_topics/" + one.value("id", "");
  }
  std::string produce_at(size_t index, const std::string& value, const std::string& topic = "t") {
    TestClient& client = world_.client(index);
    client.send(produce_request(topic, 0, batch_of({value})), 11);
    std::optional<wire::ProduceResponse> answer;
    world_.run_until([&] { return (answer = client.take<wire::ProduceResponse>(11)).has_value(); },
                     Duration::seconds(5));
    const bool stored =
        answer && answer->responses.at(0).partition_responses.at(0).error_code == ErrorCode::kNone;
    return stored ? value : "";
  }
  std::vector<std::string> values_at(size_t index) {
    std::vector<std::string> all;
    for (const auto& [offset, value] : records_in(fetch(world_.client(index), "t", 0, 0))) {
      all.push_back(value);
    }
    return all;
  }

  RegionsWorld world_{{"a", "b", "c"}};
};

TEST_F(DeletedInRegionsTest, ATopicComesBackInEveryRegion) {
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); }));
  ask(0, "POST", "/v1/topics", R"({"name":"t"})");
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), "one");
  ask(1, "DELETE", "/v1/topics/t");
  world_.run_for(Duration::seconds(1));
  // One node sleeps through the restore.
  world_.crash(2);
  EXPECT_TRUE(ask(1, "POST", "/v1/deleted-topics/t/restore")["restored"]);
  world_.run_for(Duration::seconds(1));
  world_.boot(2);
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); })) << leadership().dump(1);
  world_.run_for(Duration::seconds(1));
  ASSERT_EQ(produce_at(0, "two"), "two");
  EXPECT_EQ(values_at(0), (std::vector<std::string>{"one", "two"}));
  const json moved =
      ask(1, "POST", "/v1/operations", R"({"kind":"switchover","groups":["default"],"to":"b"})");
  ASSERT_TRUE(moved.contains("id")) << moved.dump(1);
  ASSERT_TRUE(
      world_.run_until([&] { return leadership()["leader"]["node"] == 2 && is_in_sync(); }));
  world_.run_for(Duration::seconds(1));
  EXPECT_EQ(values_at(1), (std::vector<std::string>{"one", "two"}));
}

// What a region missed while it was away, it does when it is back.
TEST_F(DeletedInRegionsTest, WhoWasAwayConverges) {
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); }));
  for (const char* name : {"t", "gone", "anew", "back"}) {
    ask(0, "POST", "/v1/topics", json{{"name", name}}.dump());
  }
  world_.run_for(Duration::seconds(3));
  ASSERT_EQ(produce_at(0, "one"), "one");
  world_.crash(1);
  for (const char* name : {"t", "gone", "anew", "back"}) {
    EXPECT_TRUE(ask(0, "DELETE", std::string("/v1/topics/") + name)["deleted"]) << name;
  }
  ask(0, "DELETE", "/v1/deleted-topics/gone");
  ask(0, "POST", "/v1/topics", R"({"name":"anew"})");
  world_.run_for(Duration::seconds(20));
  EXPECT_TRUE(ask(0, "POST", "/v1/deleted-topics/back/restore")["restored"]);
  world_.run_for(Duration::seconds(2));
  world_.boot(1);
  world_.lose(2);
  world_.boot(2);
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); })) << leadership().dump(1);
  world_.run_for(Duration::seconds(5));
  EXPECT_GT(files_at(1, "deleted/"), 0u) << "t, and what was anew before";
  EXPECT_GT(files_at(1, "topics/anew-0/"), 0u);
  EXPECT_GT(files_at(1, "topics/back-0/"), 0u);
  EXPECT_EQ(files_at(1, "topics/gone-0/"), 0u);
  EXPECT_GT(files_at(1, "quarantine/gone-0"), 0u) << "nothing says any more what it was";
  EXPECT_EQ(files_at(2, "deleted/"), 0u);
  const json restored = ask(1, "POST", "/v1/deleted-topics/t/restore");
  EXPECT_TRUE(restored["restored"]) << restored.dump(1);
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); })) << leadership().dump(1);
  ASSERT_EQ(produce_at(0, "two"), "two");
  world_.run_for(Duration::seconds(5));
  EXPECT_EQ(files_at(2, "topics/t-0/") > 0, true) << "copied to the region that was rebuilt";
  ASSERT_TRUE(world_.run_until([&] { return world_.stored(record_of("t")).empty(); }));
  for (const char* region : {"b", "c"}) {
    const json moved = ask(0, "POST", "/v1/operations",
                           json{{"kind", "switchover"},
                                {"groups", {"default"}},
                                {"to", region},
                                {"overrides", {"cooldown"}}}
                               .dump());
    ASSERT_TRUE(moved.contains("id")) << moved.dump(1);
    const int32_t node = region[0] - 'a' + 1;
    ASSERT_TRUE(world_.run_until([&] {
      return leadership()["leader"]["node"] == node && is_in_sync();
    })) << leadership().dump(1);
    world_.run_for(Duration::seconds(1));
    EXPECT_EQ(values_at(static_cast<size_t>(node - 1)), (std::vector<std::string>{"one", "two"}));
  }
}

TEST_F(DeletedInRegionsTest, WhatTheLeaderCannotOpenIsGivenBackAndTheGroupGoesOn) {
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); }));
  ask(0, "POST", "/v1/topics", R"({"name":"t"})");
  ask(0, "POST", "/v1/topics", R"({"name":"u"})");
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), "one");
  ask(1, "DELETE", "/v1/topics/t");
  world_.run_for(Duration::seconds(1));
  auto& files = world_.node(0).disk.files();
  std::erase_if(files, [](const auto& entry) { return entry.first.starts_with("deleted/"); });
  ASSERT_TRUE(ask(1, "POST", "/v1/deleted-topics/t/restore")["restoring"]);
  json kept;
  ASSERT_TRUE(world_.run_until([&] {
    kept = ask(1, "GET", "/v1/deleted-topics")["deleted_topics"];
    return kept.size() == 1 && !kept[0]["problem"].is_null();
  })) << kept.dump(1);
  EXPECT_EQ(kept[0]["restoring"], false);
  EXPECT_NE(kept[0]["problem"].get<std::string>().find("node 1"), std::string::npos) << kept[0];
  EXPECT_TRUE(world_.node(0).has_logged("restore_failed"));
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); })) << leadership().dump(1);
  EXPECT_EQ(produce_at(0, "two", "u"), "two");
  // Whoever has it can lead with it.
  ask(0, "POST", "/v1/operations", R"({"kind":"switchover","groups":["default"],"to":"b"})");
  ASSERT_TRUE(
      world_.run_until([&] { return leadership()["leader"]["node"] == 2 && is_in_sync(); }));
  world_.run_for(Duration::seconds(1));
  ASSERT_TRUE(ask(1, "POST", "/v1/deleted-topics/t/restore")["restoring"]);
  ASSERT_TRUE(world_.run_until([&] { return world_.stored(record_of("t")).empty(); }));
  EXPECT_EQ(values_at(1), std::vector<std::string>{"one"});
}

// Whoever leads other groups may be dead.
// A rolling upgrade: what a newer version wrote is no reason to throw records away.
TEST_F(DeletedInRegionsTest, WhatThisVersionCannotReadIsKept) {
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); }));
  ask(0, "POST", "/v1/topics", R"({"name":"t"})");
  world_.run_for(Duration::seconds(2));
  ASSERT_EQ(produce_at(0, "one"), "one");
  const std::string record = record_of("t");
  ask(1, "DELETE", "/v1/topics/t");
  world_.run_for(Duration::seconds(3));
  ASSERT_GT(files_at(0, "deleted/"), 0u);
  world_.store_value(record, R"({"v":2})");
  world_.run_for(Duration::seconds(5));
  EXPECT_EQ(world_.stored(record), R"({"v":2})");
  EXPECT_GT(files_at(0, "deleted/"), 0u);
}

TEST_F(DeletedInRegionsTest, ARestoreNeedsOnlyTheTopicsOwnGroup) {
  ASSERT_TRUE(world_.run_until([&] { return is_in_sync(); }));
  ask(0, "POST", "/v1/failover-groups",
      R"({"name":"pay","preset":"standard","regions":["b","c"]})");
  ask(0, "POST", "/v1/topics", R"({"name":"t","configs":{"magpie.failover.group":"pay"}})");
  world_.run_for(Duration::seconds(5));
  ASSERT_EQ(produce_at(1, "one"), "one");
  ASSERT_EQ(leadership()["leader"]["node"], 1) << "of the group `default`";
  world_.crash(0);
  EXPECT_TRUE(ask(1, "DELETE", "/v1/topics/t")["deleted"]);
  ASSERT_TRUE(ask(1, "POST", "/v1/deleted-topics/t/restore")["restoring"]);
  const std::string record = record_of("t");
  ASSERT_FALSE(world_.stored(record).empty());
  ASSERT_TRUE(world_.run_until([&] { return world_.stored(record).empty(); }));
  EXPECT_EQ(values_at(1), std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace magpie::node::testing
