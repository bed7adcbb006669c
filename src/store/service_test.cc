#include "store/service.h"

#include <gtest/gtest.h>

namespace magpie::store {
namespace {

class ServiceTest : public testing::Test {
 protected:
  static Image new_image() {
    Image image;
    image.cluster_id = 7;
    return image;
  }
  static ServiceConfig small() {
    ServiceConfig config;
    config.watches_max = 2;
    config.waiting_max = 3;
    config.history_revisions = 20;
    return config;
  }
  port::HttpExchangeId post(const Request& request) {
    const port::HttpExchangeId id{next_exchange++};
    service.step(now, port::HttpRequestReceived{id, "POST", path_of(request), encode(request)},
                 effects);
    take_effects();
    return id;
  }
  void persist() {
    if (const auto batch = service.take_batch()) service.persisted(now, batch->number, effects);
    take_effects();
  }
  void take_effects() {
    for (const port::Effect& effect : effects.list()) {
      if (const auto* respond = std::get_if<port::HttpRespond>(&effect)) {
        EXPECT_TRUE(answers.emplace(respond->exchange, *respond).second) << "answered twice";
      }
      if (const auto* part = std::get_if<port::HttpStreamPart>(&effect)) {
        if (part->bytes.empty()) continue;
        watched[part->exchange].push_back(*decode_response<WatchResponse>(part->bytes));
      }
    }
    effects.clear();
  }
  int status(port::HttpExchangeId id) { return answers.contains(id) ? answers[id].status : 0; }

  Now now{Instant{} + Duration::seconds(10), {}};
  StoreService service{small(), new_image(), Random(1), now.instant};
  port::Effects effects;
  uint64_t next_exchange = 1;
  std::map<port::HttpExchangeId, port::HttpRespond> answers;
  std::map<port::HttpExchangeId, std::vector<WatchResponse>> watched;
};

TEST_F(ServiceTest, AnswersOnlyWhatIsDurable) {
  const auto early_read = post(RangeRequest{"a"});
  EXPECT_EQ(status(early_read), 200) << "nothing is waited for";
  const auto watch = post(WatchCreateRequest{"a", "", 0, false});
  const auto put = post(PutRequest{"a", "1"});
  const auto read = post(RangeRequest{"a"});
  EXPECT_EQ(status(put), 0);
  EXPECT_EQ(status(read), 0) << "it has seen what a crash could take back";
  EXPECT_EQ(watched[watch].size(), 1U);
  EXPECT_EQ(watched[watch][0].header.revision, 1);

  const auto first = service.take_batch();
  const auto later = post(PutRequest{"a", "2"});
  const auto second = service.take_batch();
  EXPECT_FALSE(service.take_batch().has_value());
  service.persisted(now, first->number, effects);
  take_effects();
  EXPECT_EQ(status(put), 200);
  EXPECT_EQ(status(read), 200);
  EXPECT_EQ(status(later), 0);
  ASSERT_EQ(watched[watch].size(), 2U);
  EXPECT_EQ(watched[watch][1].events[0].kv.value, "1");
  EXPECT_EQ(watched[watch][1].header.revision, 2);
  service.persisted(now, second->number, effects);
  take_effects();
  EXPECT_EQ(status(later), 200);
  EXPECT_EQ(watched[watch].size(), 3U);
}

TEST_F(ServiceTest, WhatIsNotDurableIsGoneAfterARestart) {
  Image image = new_image();
  post(PutRequest{"a", "1"});
  image.apply(service.take_batch()->changes);
  post(PutRequest{"b", "1"});
  const StoreService again(small(), image, Random(2), now.instant);
  EXPECT_EQ(again.store().range({"a", "z"})->count, 1);
}

TEST_F(ServiceTest, EndsLeasesByItself) {
  const auto grant = post(LeaseGrantRequest{5, 9});
  persist();
  EXPECT_EQ(status(grant), 200);
  post(PutRequest{"a", "1", 9});
  persist();
  const auto watch = post(WatchCreateRequest{"a", "", 0, false});
  now.instant = service.next_deadline();
  EXPECT_EQ(now.instant, Instant{} + Duration::seconds(15));
  service.tick(now, effects);
  persist();
  ASSERT_EQ(watched[watch].size(), 2U);
  EXPECT_TRUE(watched[watch][1].events[0].deleted);
}

TEST_F(ServiceTest, TellsSilentWatchesHowFarItIs) {
  const auto watch = post(WatchCreateRequest{"a", "", 0, true});
  const auto quiet = post(WatchCreateRequest{"a", "", 0, false});
  post(PutRequest{"other", "1"});
  persist();
  EXPECT_EQ(watched[watch].size(), 1U);
  now.instant = service.next_deadline();
  service.tick(now, effects);
  take_effects();
  ASSERT_EQ(watched[watch].size(), 2U);
  EXPECT_EQ(watched[watch][1].header.revision, 2);
  EXPECT_TRUE(watched[watch][1].events.empty());
  EXPECT_EQ(watched[quiet].size(), 1U);
  EXPECT_GT(service.next_deadline(), now.instant);
}

TEST_F(ServiceTest, HasLimits) {
  for (int i = 0; i < 2; ++i) post(WatchCreateRequest{"a", "", 0, false});
  EXPECT_EQ(status(post(WatchCreateRequest{"a", "", 0, false})), 429);
  service.step(now, port::HttpExchangeClosed{{1}});
  EXPECT_EQ(service.watches(), 1U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status(post(PutRequest{"a", "1"})), 0);
  EXPECT_EQ(status(post(PutRequest{"b", "1"})), 429);
  persist();
  EXPECT_EQ(service.store().range({"b"})->count, 0) << "refused is not done";
  EXPECT_EQ(status(post(RangeRequest{"b"})), 200);
}

TEST_F(ServiceTest, CompactsWhatIsOld) {
  const auto behind = post(WatchCreateRequest{"a", "", 0, false});
  for (int i = 0; i < 100; ++i) {
    post(PutRequest{"a", std::to_string(i)});
    persist();
  }
  EXPECT_EQ(watched[behind].size(), 101U);
  EXPECT_GE(service.store().first_known(), service.store().revision() - 25);
  const auto late = post(WatchCreateRequest{"a", "", 2, false});
  ASSERT_EQ(watched[late].size(), 2U);
  EXPECT_TRUE(watched[late][1].canceled);
  EXPECT_EQ(watched[late][1].compact_revision, service.store().compact_revision());
  EXPECT_EQ(service.watches(), 1U);
}

TEST_F(ServiceTest, DoesNotCompactWhatWatchesHaveNotSeen) {
  post(PutRequest{"a", "1"});
  persist();
  post(PutRequest{"a", "2"});
  const auto compaction = post(CompactionRequest{3});
  persist();
  EXPECT_EQ(status(compaction), 400);
  const auto allowed = post(CompactionRequest{3});
  EXPECT_EQ(status(allowed), 200);
}

TEST_F(ServiceTest, AnswersWhatIsNoRequest) {
  const auto get = [&](const char* method, const char* target, const char* body) {
    const port::HttpExchangeId id{next_exchange++};
    service.step(now, port::HttpRequestReceived{id, method, target, body}, effects);
    take_effects();
    return status(id);
  };
  EXPECT_EQ(get("GET", "/health", ""), 200);
  EXPECT_EQ(get("GET", "/v3/kv/range", ""), 405);
  EXPECT_EQ(get("POST", "/v3/kv/range", "{"), 400);
  EXPECT_EQ(get("POST", "/v3/lock/lock", "{}"), 404);
  EXPECT_EQ(get("POST", "/v3/auth/authenticate", "{}"), 412);
  EXPECT_EQ(get("POST", "/v3/maintenance/status", "{}"), 200);
}

}  // namespace
}  // namespace magpie::store
