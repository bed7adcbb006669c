#include "store/courier.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace magpie::store {
namespace {

class CourierTest : public testing::Test {
 protected:
  static CourierConfig config(const std::string& user = "") {
    CourierConfig config;
    config.endpoints = {"http://a:1", "http://b:1", "http://c:1"};
    config.user = user;
    config.password = user.empty() ? "" : "secret";
    config.first_call = 100;
    return config;
  }
  // The only call of the last step.
  port::HttpCall only_call() {
    EXPECT_EQ(effects.size(), 1U);
    const auto call = std::get<port::HttpCall>(effects.list().at(0));
    effects.clear();
    return call;
  }
  port::HttpCall send(Courier& courier) {
    courier.pump(now, effects);
    courier.send(now, RangeRequest{"k"}, 7, effects);
    return only_call();
  }
  std::optional<Reply> answer(Courier& courier, const port::HttpCall& call, int status,
                              const std::string& body) {
    return courier.finish(now, {call.call, {}, status, body}, "");
  }
  std::optional<Reply> refuse(Courier& courier, const port::HttpCall& call, ErrorCode code,
                              const std::string& message) {
    return answer(courier, call, http_status_of(code), encode_error({code, message}));
  }
  std::optional<Reply> lose(Courier& courier, const port::HttpCall& call) {
    return courier.finish(now, {call.call, magpie::fail(ErrorKind::kIo, "connection reset"), 0, ""},
                          "");
  }
  // Goes on to the end of the pause. False if there is none.
  bool end_pause(Courier& courier) {
    if (courier.next_deadline() == Instant::never()) return false;
    now = courier.next_deadline();
    courier.pump(now, effects);
    return true;
  }

  Instant now = Instant{} + Duration::seconds(100);
  port::Effects effects;
};

TEST_F(CourierTest, SortsWhatComesBack) {
  Courier courier(config(), Random(1));
  const Instant sent = now;
  const port::HttpCall call = send(courier);
  EXPECT_EQ(call.call.value, 100U);
  EXPECT_EQ(call.body, encode(RangeRequest{"k"}));
  EXPECT_TRUE(call.url.ends_with(":1/v3/kv/range"));
  EXPECT_EQ(call.authorization, "");
  now = now + Duration::seconds(1);
  const auto answered = answer(courier, call, 200, "{}");
  EXPECT_EQ(answered->kind, Reply::Kind::kAnswered);
  EXPECT_EQ(answered->sent_at, sent);
  EXPECT_EQ(answered->known_when_sent, 7);
  EXPECT_FALSE(courier.owns(call.call));

  using Kind = Reply::Kind;
  const std::tuple<ErrorCode, const char*, Kind> refusals[] = {
      {ErrorCode::kInvalidArgument, "duplicate key", Kind::kRefused},
      {ErrorCode::kNotFound, "lease not found", Kind::kRefused},
      {ErrorCode::kResourceExhausted, "etcdserver: mvcc: database space exceeded", Kind::kRefused},
      {ErrorCode::kResourceExhausted, "etcdserver: too many requests", Kind::kLost},
      {ErrorCode::kUnavailable, "etcdserver: request timed out", Kind::kLost},
      {ErrorCode::kUnknown, "?", Kind::kLost},
      {ErrorCode::kDeadlineExceeded, "context deadline exceeded", Kind::kLost}};
  for (const auto& [code, message, kind] : refusals) {
    end_pause(courier);
    EXPECT_EQ(refuse(courier, send(courier), code, message)->kind, kind) << message;
  }
}

TEST_F(CourierTest, TriesEveryEndpointBeforeItPauses) {
  Courier courier(config(), Random(1));
  std::set<std::string> urls;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(courier.may_send(now));
    EXPECT_FALSE(courier.unreachable().has_value());
    const port::HttpCall call = send(courier);
    urls.insert(call.url);
    lose(courier, call);
  }
  EXPECT_EQ(urls.size(), 3U);
  EXPECT_FALSE(courier.may_send(now));
  ASSERT_TRUE(courier.unreachable().has_value());
  EXPECT_NE(courier.unreachable()->message.find("connection reset"), std::string::npos);
  // Longer and longer, up to the limit.
  Duration longest;
  for (int i = 0; i < 60; ++i) {
    const Instant before = now;
    if (end_pause(courier)) longest = std::max(longest, now - before);
    EXPECT_LE(now - before, config().pause_max);
    lose(courier, send(courier));
  }
  EXPECT_GE(longest, Duration{config().pause_max.nanos / 2});
  end_pause(courier);
  answer(courier, send(courier), 200, "{}");
  EXPECT_FALSE(courier.unreachable().has_value());
  EXPECT_TRUE(courier.may_send(now));
}

TEST_F(CourierTest, CountsCallsThatFailTogetherOnce) {
  Courier courier(config(), Random(1));
  const size_t first = courier.endpoint();
  const port::HttpCall one = send(courier);
  const port::HttpCall two = send(courier);
  lose(courier, one);
  lose(courier, two);
  EXPECT_EQ(courier.endpoint(), (first + 1) % 3);
}

TEST_F(CourierTest, GetsATokenAndRenewsIt) {
  Courier courier(config("node"), Random(1));
  EXPECT_FALSE(courier.may_send(now));
  courier.pump(now, effects);
  const port::HttpCall login = only_call();
  EXPECT_TRUE(login.url.ends_with("/v3/auth/authenticate"));
  EXPECT_EQ(login.body, R"({"name":"node","password":"secret"})");
  EXPECT_TRUE(courier.authenticating());
  EXPECT_FALSE(answer(courier, login, 200, R"({"token":"t1"})").has_value());
  const port::HttpCall first = send(courier);
  EXPECT_EQ(first.authorization, "t1");
  answer(courier, first, 200, "{}");

  // Two calls meet the end of the token; one new token is asked for.
  const port::HttpCall second = send(courier);
  const port::HttpCall third = send(courier);
  EXPECT_EQ(refuse(courier, second, ErrorCode::kUnauthenticated, "invalid auth token")->kind,
            Reply::Kind::kLost);
  courier.pump(now, effects);
  answer(courier, only_call(), 200, R"({"token":"t2"})");
  refuse(courier, third, ErrorCode::kUnauthenticated, "invalid auth token");
  EXPECT_EQ(send(courier).authorization, "t2");
  EXPECT_FALSE(courier.unreachable().has_value());
}

TEST_F(CourierTest, DoesNotHammerAStoreThatTakesNoToken) {
  Courier courier(config("node"), Random(1));
  int calls = 0;
  const Instant end = now + Duration::seconds(60);
  while (now < end) {
    courier.pump(now, effects);
    if (effects.empty() && courier.may_send(now)) {
      courier.send(now, RangeRequest{"k"}, 0, effects);
    }
    if (effects.empty()) {
      ASSERT_TRUE(end_pause(courier));
      continue;
    }
    const port::HttpCall call = only_call();
    ++calls;
    const bool login = call.url.ends_with("authenticate");
    if (login) answer(courier, call, 200, R"({"token":"worthless"})");
    if (!login) refuse(courier, call, ErrorCode::kUnauthenticated, "invalid auth token");
  }
  EXPECT_LT(calls, 100);
  EXPECT_TRUE(courier.unreachable().has_value());
}

TEST_F(CourierTest, SaysThatThePasswordIsWrong) {
  Courier courier(config("node"), Random(1));
  for (int i = 0; i < 3; ++i) {
    courier.pump(now, effects);
    refuse(courier, only_call(), ErrorCode::kInvalidArgument,
           "etcdserver: authentication failed, invalid user ID or password");
  }
  ASSERT_TRUE(courier.unreachable().has_value());
  EXPECT_NE(courier.unreachable()->message.find("user node is not let in"), std::string::npos);
}

TEST_F(CourierTest, NeedsNoTokenWhereNobodyDoes) {
  Courier courier(config("node"), Random(1));
  courier.pump(now, effects);
  refuse(courier, only_call(), ErrorCode::kFailedPrecondition,
         "etcdserver: authentication is not enabled");
  EXPECT_EQ(send(courier).authorization, "");
}

}  // namespace
}  // namespace magpie::store
