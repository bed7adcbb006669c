// Idempotent producers as a client sees them: ids, sequences, retries, restarts.
#include <gtest/gtest.h>

#include <set>

#include "node/testing/topics.h"
#include "wire/init_producer_id.h"

namespace magpie::node::testing {
namespace {

using wire::ErrorCode;

class IdempotenceTest : public ::testing::Test {
 protected:
  IdempotenceTest() {
    harness_.boot();
    create_topic(client_, "t");
  }

  wire::InitProducerIdResponse ask_for_id(int version = 4) {
    wire::InitProducerIdRequest request;
    request.transaction_timeout_ms = 60'000;
    return client_.call<wire::InitProducerIdResponse>(request, version);
  }
  wire::ProduceResponse::Partition send(int32_t sequence, int records = 1, int16_t epoch = 0) {
    return produce(client_, "t", 0,
                   batch_of(std::vector<std::string>(static_cast<size_t>(records), "value"), id_,
                            epoch, sequence));
  }
  void restart(bool cleanly) {
    if (cleanly) {
      harness_.stop();
    } else {
      harness_.crash();
    }
    harness_.boot();
    client_.forget_connection();
  }

  NodeHarness harness_;
  TestClient client_{harness_};
  int64_t id_ = 4'711;
};

TEST_F(IdempotenceTest, EveryProducerGetsAnIdOfItsOwn) {
  std::set<int64_t> ids;
  for (int version = 0; version <= 4; ++version) {
    const auto answer = ask_for_id(version);
    EXPECT_EQ(answer.error_code, ErrorCode::kNone);
    EXPECT_EQ(answer.producer_epoch, 0);
    EXPECT_GE(answer.producer_id, 0);
    ids.insert(answer.producer_id);
  }
  restart(false);
  ids.insert(ask_for_id().producer_id);
  EXPECT_EQ(ids.size(), 6u) << "an id is never given out twice, a restart included";
}

TEST_F(IdempotenceTest, MoreProducersThanOneBlockOfIds) {
  std::set<int64_t> ids;
  for (int i = 0; i < 2'500; ++i) {
    const auto answer = ask_for_id();
    ASSERT_EQ(answer.error_code, ErrorCode::kNone) << i;
    ids.insert(answer.producer_id);
  }
  EXPECT_EQ(ids.size(), 2'500u);
}

TEST_F(IdempotenceTest, AnOldIdWithoutItsEpochIsRefused) {
  wire::InitProducerIdRequest request;
  request.producer_id = 7;
  EXPECT_EQ(client_.call<wire::InitProducerIdResponse>(request).error_code,
            ErrorCode::kInvalidRequest);
}

TEST_F(IdempotenceTest, AnOldIdIsExchangedForANewOne) {
  const auto first = ask_for_id();
  wire::InitProducerIdRequest again;
  again.producer_id = first.producer_id;
  again.producer_epoch = first.producer_epoch;
  const auto second = client_.call<wire::InitProducerIdResponse>(again);
  EXPECT_EQ(second.error_code, ErrorCode::kNone);
  EXPECT_NE(second.producer_id, first.producer_id);
}

TEST_F(IdempotenceTest, TheTimeoutOfTransactionsIsNotHeldAgainstPlainProducers) {
  wire::InitProducerIdRequest request;
  for (const int32_t timeout : {-1, 0, INT32_MAX}) {
    request.transaction_timeout_ms = timeout;
    EXPECT_EQ(client_.call<wire::InitProducerIdResponse>(request).error_code, ErrorCode::kNone);
  }
}

TEST_F(IdempotenceTest, TransactionalIdsAreRefused) {
  wire::InitProducerIdRequest request;
  request.transactional_id = "tx";
  const auto refused = client_.call<wire::InitProducerIdResponse>(request);
  EXPECT_EQ(refused.error_code, ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(refused.producer_id, -1);
  request.transactional_id = "";
  EXPECT_EQ(client_.call<wire::InitProducerIdResponse>(request).error_code,
            ErrorCode::kInvalidRequest);
}

TEST_F(IdempotenceTest, ARetryOfAnyOfTheLastFiveBatchesGetsItsFirstOffset) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(send(i * 2, 2).base_offset, i * 2);
  for (int i = 0; i < 5; ++i) {
    const auto retried = send(i * 2, 2);
    EXPECT_EQ(retried.error_code, ErrorCode::kNone) << i;
    EXPECT_EQ(retried.base_offset, i * 2) << i;
  }
  EXPECT_EQ(fetch(client_, "t", 0, 0).high_watermark, 10) << "no record is stored twice";
  send(10, 2);
  EXPECT_EQ(send(0, 2).error_code, ErrorCode::kDuplicateSequenceNumber);
}

TEST_F(IdempotenceTest, AGapInTheSequenceIsOutOfOrder) {
  EXPECT_EQ(send(0).error_code, ErrorCode::kNone);
  EXPECT_EQ(send(2).error_code, ErrorCode::kOutOfOrderSequenceNumber);
  EXPECT_EQ(send(1).error_code, ErrorCode::kNone);
}

TEST_F(IdempotenceTest, AnUnknownProducerMustBeginAtZero) {
  EXPECT_EQ(send(5).error_code, ErrorCode::kUnknownProducerId);
  EXPECT_EQ(send(0).error_code, ErrorCode::kNone);
}

TEST_F(IdempotenceTest, AnOlderEpochIsFenced) {
  EXPECT_EQ(send(0, 1, 1).error_code, ErrorCode::kNone);
  EXPECT_EQ(send(1, 1, 0).error_code, ErrorCode::kInvalidProducerEpoch);
}

TEST_F(IdempotenceTest, RetriesAreKnownAfterAnyRestart) {
  EXPECT_EQ(send(0, 3).base_offset, 0);
  EXPECT_EQ(send(3, 2).base_offset, 3);
  for (const bool cleanly : {false, true, false}) {
    restart(cleanly);
    EXPECT_EQ(send(3, 2).base_offset, 3) << "stopped cleanly: " << cleanly;
    EXPECT_EQ(send(6).error_code, ErrorCode::kOutOfOrderSequenceNumber);
  }
  EXPECT_EQ(send(5).base_offset, 5);
}

TEST_F(IdempotenceTest, AnIdleProducerIsRememberedForADayByTheBrokersClock) {
  EXPECT_EQ(send(0).error_code, ErrorCode::kNone);
  harness_.advance(Duration::seconds(23 * 3'600));
  EXPECT_EQ(send(1).error_code, ErrorCode::kNone) << "clients idle for hours go on";
  harness_.advance(Duration::seconds(25 * 3'600));
  EXPECT_EQ(send(2).error_code, ErrorCode::kUnknownProducerId);
}

TEST_F(IdempotenceTest, AJumpOfTheWallClockForgetsNobody) {
  EXPECT_EQ(send(0).error_code, ErrorCode::kNone);
  harness_.set_wall_clock(WallTime{harness_.now().wall.millis + 400LL * 86'400'000});
  harness_.advance(Duration::seconds(600));
  EXPECT_EQ(send(1).error_code, ErrorCode::kNone);
}

}  // namespace
}  // namespace magpie::node::testing
