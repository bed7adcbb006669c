#include "store/lease_keeper.h"

#include <gtest/gtest.h>

namespace magpie::store {
namespace {

constexpr uint64_t kHandle = 3;

// What the store answers: which member, in which term.
struct From {
  uint64_t member_id = 1;
  uint64_t raft_term = 5;
};

class LeaseKeeperTest : public testing::Test {
 protected:
  static CourierConfig courier_config() {
    CourierConfig config;
    config.endpoints = {"http://a:1"};
    return config;
  }
  ClientContext context() { return {now, courier, sight, out}; }
  port::HttpCall next_call() {
    keeper.pump(context());
    EXPECT_EQ(effects.size(), 1U);
    const auto call = std::get<port::HttpCall>(effects.list().at(0));
    effects.clear();
    return call;
  }
  template <typename T>
  void answer(const port::HttpCall& call, From from, T response) {
    response.header = {7, from.member_id, 10, from.raft_term};
    const auto reply = courier.finish(now, {call.call, {}, 200, encode_response(response)}, "");
    EXPECT_TRUE(keeper.on_reply(context(), call.call, *reply));
  }
  // Asks for the lease, and for its first renewal at the due time.
  port::HttpCall first_renewal() {
    keeper.hold(kHandle, 30, context());
    const port::HttpCall grant = next_call();
    answer(grant, {}, LeaseGrantResponse{{}, 1, 30});
    events.clear();
    now = keeper.next_deadline();
    const port::HttpCall call = next_call();
    EXPECT_TRUE(call.url.ends_with("/v3/lease/keepalive"));
    return call;
  }
  std::optional<Instant> held_until() {
    if (events.empty()) return std::nullopt;
    const Instant until = std::get<LeaseHeld>(events.back()).valid_until;
    events.clear();
    return until;
  }

  Instant now = Instant{} + Duration::seconds(100);
  port::Effects effects;
  std::vector<ClientEvent> events;
  ClientOutput out{effects, events};
  Courier courier{courier_config(), Random(1)};
  StoreSight sight{0, 0};
  LeaseKeeper keeper{{Duration::seconds(1), 2, "k"}, Random(2)};
};

TEST_F(LeaseKeeperTest, CountsFromTheSendingOfTheGrant) {
  keeper.hold(kHandle, 30, context());
  const Instant sent = now;
  const port::HttpCall grant = next_call();
  now = now + Duration::seconds(4);
  // The store may give more than was asked for.
  answer(grant, {}, LeaseGrantResponse{{}, 1, 40});
  EXPECT_EQ(held_until(), sent + Duration::seconds(39));
}

TEST_F(LeaseKeeperTest, BelievesARenewalOnceTheSameLeaderIsConfirmed) {
  const port::HttpCall renewal = first_renewal();
  const Instant sent = now;
  now = now + Duration::seconds(1);
  answer(renewal, {}, LeaseKeepAliveResponse{{}, 1, 30});
  EXPECT_EQ(held_until(), std::nullopt);
  now = now + Duration::seconds(1);
  const port::HttpCall read = next_call();
  EXPECT_TRUE(read.url.ends_with("/v3/kv/range"));
  now = now + Duration::seconds(1);
  answer(read, {}, RangeResponse{});
  EXPECT_EQ(held_until(), sent + Duration::seconds(29)) << "since the renewal, not the read";
}

TEST_F(LeaseKeeperTest, RenewsAnewIfAnotherConfirms) {
  port::HttpCall renewal = first_renewal();
  for (const From other : {From{2, 5}, From{1, 6}}) {
    answer(renewal, {}, LeaseKeepAliveResponse{{}, 1, 30});
    answer(next_call(), other, RangeResponse{});
    EXPECT_EQ(held_until(), std::nullopt);
    renewal = next_call();
    EXPECT_TRUE(renewal.url.ends_with("/v3/lease/keepalive"));
  }
  answer(renewal, {}, LeaseKeepAliveResponse{{}, 1, 30});
  answer(next_call(), {}, RangeResponse{});
  EXPECT_EQ(held_until(), now + Duration::seconds(29));
}

TEST_F(LeaseKeeperTest, RenewsAnewIfNobodyConfirms) {
  answer(first_renewal(), {}, LeaseKeepAliveResponse{{}, 1, 30});
  const port::HttpCall read = next_call();
  const auto lost =
      courier.finish(now, {read.call, magpie::fail(ErrorKind::kIo, "reset"), 0, ""}, "");
  EXPECT_TRUE(keeper.on_reply(context(), read.call, *lost));
  EXPECT_EQ(held_until(), std::nullopt);
  now = courier.next_deadline();
  EXPECT_TRUE(next_call().url.ends_with("/v3/lease/keepalive"));
}

TEST_F(LeaseKeeperTest, SaysWhenTheStoreHasEndedIt) {
  answer(first_renewal(), {}, LeaseKeepAliveResponse{{}, 1, 0});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(std::get<LeaseGone>(events[0]).handle, kHandle);
  EXPECT_EQ(keeper.next_deadline(), Instant::never());
}

}  // namespace
}  // namespace magpie::store
