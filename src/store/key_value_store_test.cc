#include "store/key_value_store.h"

#include <gtest/gtest.h>

#include "store/key_range.h"

namespace magpie::store {
namespace {

Instant at(int64_t seconds) {
  return Instant{} + Duration::seconds(seconds);
}

Image new_image() {
  Image image;
  image.cluster_id = 11;
  image.member_id = 22;
  return image;
}

class KeyValueStoreTest : public testing::Test {
 protected:
  Revision put(const std::string& key, const std::string& value, LeaseId lease = 0) {
    const auto answer = store.put({key, value, lease});
    EXPECT_TRUE(answer.has_value());
    return answer->header.revision;
  }
  std::vector<KeyValue> all(Revision revision = 0) const {
    RangeRequest request{std::string(1, '\0'), std::string(kNoEnd)};
    request.revision = revision;
    return store.range(request)->kvs;
  }

  KeyValueStore store{new_image(), Random(1), at(0)};
};

TEST_F(KeyValueStoreTest, CountsRevisionsLikeEtcd) {
  EXPECT_EQ(store.revision(), 1);
  EXPECT_EQ(put("a", "1"), 2);
  EXPECT_EQ(put("a", "2"), 3);
  EXPECT_EQ(all(), (std::vector<KeyValue>{{"a", "2", 2, 3, 2, 0}}));
  EXPECT_EQ(store.delete_range({"a", ""})->deleted, 1);
  EXPECT_EQ(store.revision(), 4);
  EXPECT_EQ(store.delete_range({"a", ""})->header.revision, 4) << "nothing changed";
  put("a", "3");
  EXPECT_EQ(all(), (std::vector<KeyValue>{{"a", "3", 5, 5, 1, 0}}));
  EXPECT_EQ(all(3), (std::vector<KeyValue>{{"a", "2", 2, 3, 2, 0}}));
  EXPECT_TRUE(all(4).empty());
}

TEST_F(KeyValueStoreTest, ReadsRangesWithLimits) {
  for (const char* key : {"a", "b/1", "b/2", "b/3", "c"}) put(key, "x");
  RangeRequest request{"b/", prefix_end("b/")};
  request.limit = 2;
  const auto limited = store.range(request);
  EXPECT_EQ(limited->kvs.size(), 2U);
  EXPECT_EQ(limited->count, 3);
  EXPECT_TRUE(limited->more);
  request.limit = 3;
  EXPECT_FALSE(store.range(request)->more);
  request.count_only = true;
  EXPECT_EQ(store.range(request)->count, 3);
  EXPECT_TRUE(store.range(request)->kvs.empty());
  EXPECT_EQ(store.range({"b/2", std::string(kNoEnd)})->count, 3);
  request.revision = 99;
  EXPECT_EQ(store.range(request).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(store.range({}).error().message, "etcdserver: key is not provided");
}

TEST_F(KeyValueStoreTest, CarriesOutOneBranch) {
  const Revision first = put("a", "1");
  TxnRequest request;
  request.compare = {{"a", CompareTarget::kMod, CompareResult::kEqual, first, ""},
                     {"b", CompareTarget::kMod, CompareResult::kEqual, 0, ""}};
  request.success = {PutRequest{"a", "2"}, PutRequest{"b", "1"}, RangeRequest{"a"}};
  request.failure = {RangeRequest{"b"}};
  const auto done = store.txn(request);
  ASSERT_TRUE(done->succeeded);
  EXPECT_EQ(done->header.revision, first + 1);
  EXPECT_EQ(std::get<RangeResponse>(done->responses[2]).kvs[0].value, "2");
  EXPECT_EQ(all()[0].mod_revision, all()[1].mod_revision);

  const auto again = store.txn(request);
  ASSERT_FALSE(again->succeeded);
  EXPECT_EQ(again->header.revision, first + 1);
  EXPECT_EQ(std::get<RangeResponse>(again->responses[0]).kvs[0].value, "1");
}

TEST_F(KeyValueStoreTest, ComparesWhatIsNotThere) {
  const auto holds = [&](Compare compare) { return store.txn({{compare}, {}, {}})->succeeded; };
  EXPECT_TRUE(holds({"a", CompareTarget::kVersion, CompareResult::kEqual, 0, ""}));
  EXPECT_TRUE(holds({"a", CompareTarget::kCreate, CompareResult::kLess, 1, ""}));
  EXPECT_FALSE(holds({"a", CompareTarget::kValue, CompareResult::kEqual, 0, ""}));
  EXPECT_FALSE(holds({"a", CompareTarget::kValue, CompareResult::kNotEqual, 0, "x"}));
  put("a", "");
  EXPECT_TRUE(holds({"a", CompareTarget::kValue, CompareResult::kEqual, 0, ""}));
  EXPECT_TRUE(holds({"a", CompareTarget::kVersion, CompareResult::kGreater, 0, ""}));
  EXPECT_TRUE(holds({"a", CompareTarget::kLease, CompareResult::kEqual, 0, ""}));
}

TEST_F(KeyValueStoreTest, RefusesTransactionsWhole) {
  put("a", "1");
  TxnRequest request;
  request.success = {PutRequest{"b", "1"}, PutRequest{"b", "2"}};
  EXPECT_EQ(store.txn(request).error().message, "etcdserver: duplicate key given in txn request");
  request.success = {PutRequest{"b", "1"}, DeleteRangeRequest{"a", "c"}};
  EXPECT_EQ(store.txn(request).error().code, ErrorCode::kInvalidArgument);
  request.success = {PutRequest{"b", "1"}, PutRequest{"c", "1", 77}};
  EXPECT_EQ(store.txn(request).error().code, ErrorCode::kNotFound);
  request.success = {DeleteRangeRequest{"a", ""}, PutRequest{"", "1"}};
  EXPECT_EQ(store.txn(request).error().code, ErrorCode::kInvalidArgument);
  request.success.assign(kTxnOperationsMax + 1, RangeRequest{"a"});
  EXPECT_EQ(store.txn(request).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(store.revision(), 2);
  EXPECT_EQ(all().size(), 1U);
}

TEST_F(KeyValueStoreTest, TellsWhatChanged) {
  put("a", "1");
  store.txn({{}, {PutRequest{"a", "2"}, PutRequest{"b", "1"}, DeleteRangeRequest{"c", ""}}, {}});
  store.delete_range({"a", ""});
  const auto events = store.events(3, 4, "a", "c");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0], (WatchEvent{false, {"a", "2", 2, 3, 2, 0}}));
  EXPECT_EQ(events[1], (WatchEvent{false, {"b", "1", 3, 3, 1, 0}}));
  EXPECT_EQ(events[2], (WatchEvent{true, {"a", "", 0, 4, 0, 0}}));
  EXPECT_EQ(store.events(2, 4, "b", "").size(), 1U);
}

TEST_F(KeyValueStoreTest, ForgetsWhatIsCompacted) {
  put("a", "1");  // 2
  put("b", "1");  // 3
  put("a", "2");  // 4
  store.delete_range({"b", ""});
  ASSERT_TRUE(store.compact({4}).has_value());
  EXPECT_EQ(store.first_known(), 4);
  RangeRequest request{"b"};
  request.revision = 4;
  EXPECT_EQ(store.range(request)->kvs[0].value, "1") << "still readable at the revision itself";
  request.revision = 3;
  EXPECT_EQ(store.range(request).error().message,
            "etcdserver: mvcc: required revision has been compacted");
  EXPECT_FALSE(store.compact({4}).has_value());
  EXPECT_FALSE(store.compact({6}).has_value());
  ASSERT_TRUE(store.compact({5}).has_value());
  EXPECT_EQ(all(), (std::vector<KeyValue>{{"a", "2", 2, 4, 2, 0}}));
}

TEST_F(KeyValueStoreTest, DeletesKeysWithTheirLease) {
  ASSERT_EQ(store.grant({10, 7}, at(0))->id, 7);
  EXPECT_EQ(store.grant({10, 7}, at(0)).error().message, "etcdserver: lease already exists");
  EXPECT_GT(store.grant({1, 0}, at(0))->id, 0);
  put("a", "1", 7);
  put("b", "1", 7);
  put("c", "1", 7);
  put("c", "2");  // no longer attached
  EXPECT_EQ(store.time_to_live({7, true}, at(3))->keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(store.time_to_live({7, false}, at(3))->ttl, 7);
  EXPECT_EQ(store.keep_alive({7}, at(8))->ttl, 10);
  store.expire(at(17));
  EXPECT_EQ(all().size(), 3U);
  const Revision before = store.revision();
  store.expire(at(18));
  EXPECT_EQ(all().size(), 1U);
  EXPECT_EQ(store.revision(), before + 1) << "all keys of a lease go at one revision";
  EXPECT_EQ(store.keep_alive({7}, at(18))->ttl, 0);
  EXPECT_EQ(store.time_to_live({7, false}, at(18))->ttl, -1);
  EXPECT_EQ(store.revoke({7}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store.put({"d", "1", 7}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store.next_expiry(), Instant::never());
}

TEST_F(KeyValueStoreTest, ContinuesFromItsImage) {
  store.grant({10, 7}, at(0));
  put("a", "1", 7);
  put("b", "1");
  store.delete_range({"b", ""});
  Image image = new_image();
  image.apply(store.take_changes());
  EXPECT_TRUE(store.take_changes().empty());

  KeyValueStore next(image, Random(2), at(100));
  EXPECT_EQ(next.revision(), 4);
  EXPECT_EQ(next.first_known(), 5) << "a watch cannot begin in a history that was not kept";
  EXPECT_EQ(next.range({"a", std::string(kNoEnd)})->kvs, all());
  RangeRequest old{"a"};
  old.revision = 3;
  EXPECT_FALSE(next.range(old).has_value());
  next.expire(at(109));
  EXPECT_EQ(next.range({"a"})->count, 1) << "a lease has its full time again";
  next.expire(at(110));
  EXPECT_EQ(next.range({"a"})->count, 0);
}

TEST(KeyRange, FindsTheEndOfAPrefix) {
  EXPECT_EQ(prefix_end("a"), "b");
  EXPECT_EQ(prefix_end("a\xff"), "b");
  EXPECT_EQ(prefix_end("\xff\xff"), kNoEnd);
  EXPECT_TRUE(in_range("a\xff\xff", "a", prefix_end("a")));
  EXPECT_FALSE(in_range("b", "a", prefix_end("a")));
  EXPECT_TRUE(overlap("a", "c", "b", ""));
  EXPECT_FALSE(overlap("a", "b", "b", "c"));
  EXPECT_TRUE(overlap("x", std::string(kNoEnd), "y", "z"));
}

}  // namespace
}  // namespace magpie::store
