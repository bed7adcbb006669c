#include "link/session.h"

#include <gtest/gtest.h>

#include <deque>

#include "record/builder.h"

namespace magpie::link {
namespace {

LinkIdentity identity(int32_t node, const std::string& cluster = "orders") {
  LinkIdentity who;
  who.cluster_id = cluster;
  who.node = NodeId{node};
  who.region = "bj";
  who.build = "test";
  return who;
}

// Two ends of one connection; what one sends the other receives at once.
struct Pair {
  Session caller;
  Session called;
  Now now;
  port::Effects from_caller;
  port::Effects from_called;
  std::string trouble;
  std::vector<Message> seen;

  Pair(const LinkIdentity& a, const LinkIdentity& b, const std::string& certified = "")
      : caller(a, {1}, "", b.node), called(b, {2}, certified, std::nullopt) {
    caller.start(now, from_caller);
    called.start(now, from_called);
    exchange();
  }

  void exchange() {
    while (!(from_caller.empty() && from_called.empty()) && trouble.empty()) {
      pass(from_caller, called, from_called);
      pass(from_called, caller, from_caller);
    }
  }
  void pass(port::Effects& from, Session& to, port::Effects& answers) {
    const std::vector<port::Effect> sent = std::exchange(from.list(), {});
    for (const port::Effect& effect : sent) {
      const Buffer frame = flatten(std::get<port::Send>(effect).bytes);
      auto received = to.receive(now, frame.slice(4, frame.size() - 4), answers);
      if (!received) {
        trouble = received.error().message;
      } else if (*received) {
        seen.push_back(**received);
      }
    }
  }
};

TEST(Session, BothLearnWhoTheOtherIs) {
  Pair pair(identity(1), identity(2));
  EXPECT_EQ(pair.trouble, "");
  EXPECT_EQ(pair.caller.peer(), identity(2));
  EXPECT_EQ(pair.called.peer(), identity(1));
}

TEST(Session, AnotherClusterIsRefused) {
  Pair pair(identity(1, "orders"), identity(2, "payments"));
  EXPECT_NE(pair.trouble.find("check the addresses"), std::string::npos) << pair.trouble;
}

// As a build that speaks other versions sends it.
Result<std::optional<Message>> hear_hello(int16_t lowest, int16_t highest, int16_t spoken) {
  Session session(identity(1), {1}, "", NodeId{2});
  wire::LinkHello hello;
  hello.lowest_version = lowest;
  hello.highest_version = highest;
  hello.cluster_id = "orders";
  hello.node_id = 2;
  hello.build = "9.1";
  std::string frame(flatten(encode_frame(hello, kLowestVersion)).text().substr(kFrameSizeBytes));
  frame[2] = static_cast<char>(spoken >> 8);
  frame[3] = static_cast<char>(spoken);
  port::Effects effects;
  return session.receive(Now(), Buffer::copy_of(frame), effects);
}

TEST(Session, WithoutACommonVersionItSaysWhatToDo) {
  constexpr int16_t kNewer = kHighestVersion + 1;
  EXPECT_TRUE(hear_hello(kLowestVersion, kNewer, kLowestVersion)) << "one is enough";
  const auto refused = hear_hello(kNewer, kNewer + 1, kLowestVersion);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(refused.error().message,
            "node 2 (9.1) speaks versions 1 to 2 of the link, this build 0 to 0; upgrade the older "
            "of the two");
  EXPECT_FALSE(hear_hello(kLowestVersion - 2, kLowestVersion - 1, kLowestVersion));
}

TEST(Session, AHelloThatCannotBeReadStillSaysItsVersions) {
  const auto refused = hear_hello(kHighestVersion + 1, kHighestVersion + 2, kHighestVersion + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(refused.error().message,
            "the node there speaks versions 1 to 2 of the link, this build 0 to 0; upgrade the "
            "older of the two");
  const auto odd = hear_hello(kLowestVersion, kHighestVersion, kHighestVersion + 1);
  ASSERT_FALSE(odd);
  EXPECT_NE(odd.error().message.find("of kind 1 and version 1"), std::string::npos);
}

TEST(Session, BytesOfFramesAreSaidOnBothSides) {
  Pair pair(identity(1), identity(2));
  wire::LinkBatches message;
  record::BatchBuilder builder;
  builder.add({.timestamp = 1, .key = "k", .value = std::string(200'000, 'v')});
  message.partitions.emplace_back().batches = BufferChain{builder.build()};
  for (const bool compressed : {false, true}) {
    if (compressed) pair.called.compress_batches();
    const uint64_t said = pair.called.send(message, pair.from_called);
    uint64_t bytes = 0;
    for (const port::Effect& effect : pair.from_called.list()) {
      bytes += size_of(std::get<port::Send>(effect).bytes);
    }
    EXPECT_EQ(said, bytes);
    EXPECT_EQ(bytes > 200'000, !compressed);
    pair.exchange();
    EXPECT_EQ(pair.caller.received_bytes(), bytes) << "in pieces: " << !compressed;
  }
}

TEST(Session, TheCertificateMustNameTheNode) {
  EXPECT_EQ(Pair(identity(1), identity(2), "node-1.orders").trouble, "");
  EXPECT_NE(Pair(identity(1), identity(2), "node-3.orders").trouble.find("issued for"),
            std::string::npos);
}

TEST(Session, ANodeThatCallsItselfIsRefused) {
  EXPECT_NE(Pair(identity(1), identity(1)).trouble, "");
}

TEST(Session, BatchesGoPackedIfTheSenderWantsAndComeOutWhole) {
  Pair pair(identity(1), identity(2));
  wire::LinkBatches message;
  message.epoch = 4;
  record::BatchBuilder builder;
  builder.add({.timestamp = 1, .key = "k", .value = std::string(200'000, 'v')});
  message.partitions.emplace_back().batches = BufferChain{builder.build()};
  size_t plain = 0;
  for (const bool compressed : {false, true}) {
    if (compressed) pair.called.compress_batches();
    pair.called.send(message, pair.from_called);
    size_t bytes = 0;
    for (const port::Effect& effect : pair.from_called.list()) {
      bytes += size_of(std::get<port::Send>(effect).bytes);
    }
    if (compressed) {
      EXPECT_LT(bytes, plain / 10);
    }
    plain = bytes;
    pair.exchange();
    EXPECT_EQ(pair.trouble, "");
    ASSERT_EQ(pair.seen.size(), 1U);
    const auto& came = std::get<wire::LinkBatches>(pair.seen.front());
    EXPECT_EQ(flatten(*came.partitions[0].batches), flatten(*message.partitions[0].batches));
    pair.seen.clear();
  }
}

TEST(Session, PingsMeasureTheWayThereAndBack) {
  Pair pair(identity(1), identity(2));
  EXPECT_FALSE(pair.caller.round_trip());
  pair.now.instant = pair.now.instant + kPingInterval;
  ASSERT_TRUE(pair.caller.tick(pair.now, pair.from_caller));
  pair.now.instant = pair.now.instant + Duration::milliseconds(40);
  pair.exchange();
  EXPECT_EQ(pair.caller.round_trip(), Duration::milliseconds(40));
}

TEST(Session, FramesAreWhatTheFormatPageSays) {
  wire::LinkPing ping;
  ping.number = 1;
  ping.sent_at = 2;
  const Buffer frame = flatten(encode_frame(ping, 0));
  const std::string expected("\0\0\0\x16\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0", 26);
  EXPECT_EQ(frame.text(), expected);
}

TEST(Session, PiecesAreWhatTheFormatPageSays) {
  wire::LinkPiece piece;
  piece.last = true;
  piece.bytes = BufferChain{Buffer::copy_of("pq")};
  const std::string expected("\0\0\0\x09\0\x0f\0\0\1\3pq\0", 13);
  EXPECT_EQ(flatten(encode_frame(piece, 0)).text(), expected);
}

TEST(Session, SilenceEndsIt) {
  Pair pair(identity(1), identity(2));
  pair.now.instant = pair.now.instant + kSilenceMax;
  EXPECT_LE(pair.caller.next_deadline(), pair.now.instant);
  EXPECT_FALSE(pair.caller.tick(pair.now, pair.from_caller));
}

// 10 MB at 20 kB/s take more than eight minutes; the line is never silent.
TEST(Session, ALongMessageOnASlowLineIsNoSilence) {
  Pair pair(identity(1), identity(2));
  wire::LinkBatches batches;
  batches.epoch = 3;
  std::string bytes(10'000'000, 'x');
  for (size_t i = 0; i < bytes.size(); i += 1'000) bytes[i] = static_cast<char>(i / 1'000);
  batches.partitions.push_back({4, 5, 6, BufferChain{Buffer::copy_of(bytes)}});
  pair.caller.send(batches, pair.from_caller);
  const std::vector<port::Effect> frames = std::exchange(pair.from_caller.list(), {});
  EXPECT_GT(frames.size(), 100u);
  std::vector<Message> seen;
  for (const port::Effect& effect : frames) {
    const Buffer frame = flatten(std::get<port::Send>(effect).bytes);
    pair.now.instant =
        pair.now.instant + Duration::milliseconds(static_cast<int64_t>(frame.size()) / 20);
    ASSERT_TRUE(pair.called.tick(pair.now, pair.from_called));
    auto received =
        pair.called.receive(pair.now, frame.slice(4, frame.size() - 4), pair.from_called);
    ASSERT_TRUE(received) << received.error().message;
    if (*received) seen.push_back(**received);
  }
  EXPECT_EQ(seen, std::vector<Message>{batches});
}

TEST(Session, PiecesMustMakeOneMessage) {
  wire::LinkPiece piece;
  piece.bytes = BufferChain{Buffer::copy_of(std::string("\0\x0f\0\0\1\1\0", 7))};
  const auto offer = [](Pair& pair, const Message& message) {
    const Buffer frame = flatten(encode_frame(message, 0));
    return pair.called.receive(pair.now, frame.slice(4, frame.size() - 4), pair.from_called);
  };
  Pair broken_off(identity(1), identity(2));
  EXPECT_TRUE(offer(broken_off, piece));
  EXPECT_FALSE(offer(broken_off, wire::LinkProgress{})) << "another message in between";
  Pair nested(identity(1), identity(2));
  piece.last = true;
  EXPECT_FALSE(offer(nested, piece)) << "a piece of a piece, or garbage";
}

TEST(Session, TheShortestWayIsRemembered) {
  Pair pair(identity(1), identity(2));
  for (const int64_t millis : {40, 900, 60}) {
    pair.now.instant = pair.now.instant + kPingInterval;
    ASSERT_TRUE(pair.caller.tick(pair.now, pair.from_caller));
    pair.now.instant = pair.now.instant + Duration::milliseconds(millis);
    pair.exchange();
  }
  EXPECT_EQ(pair.caller.round_trip(), Duration::milliseconds(60));
  EXPECT_EQ(pair.caller.line_round_trip().shortest(), Duration::milliseconds(40));
}

// Longer than pings are apart.
TEST(Session, ALongWayIsMeasuredToo) {
  Pair pair(identity(1), identity(2));
  std::deque<std::pair<Instant, port::Effect>> way;
  for (int i = 0; i < 40; ++i) {
    pair.now.instant = pair.now.instant + Duration::milliseconds(100);
    ASSERT_TRUE(pair.caller.tick(pair.now, pair.from_caller));
    for (port::Effect& effect : std::exchange(pair.from_caller.list(), {})) {
      way.emplace_back(pair.now.instant + Duration::milliseconds(1'400), std::move(effect));
    }
    for (; !way.empty() && way.front().first <= pair.now.instant; way.pop_front()) {
      pair.from_caller.add(std::move(way.front().second));
    }
    pair.exchange();
  }
  EXPECT_EQ(pair.caller.round_trip(), Duration::milliseconds(1'400));
}

TEST(Session, MessagesComeThroughAndGarbageDoesNot) {
  Pair pair(identity(1), identity(2));
  wire::LinkProgress progress;
  progress.epoch = 3;
  progress.partitions.push_back({4, 5});
  pair.caller.send(progress, pair.from_caller);
  pair.exchange();
  EXPECT_EQ(pair.seen, std::vector<Message>{progress});
  EXPECT_FALSE(pair.called.receive(pair.now, Buffer::copy_of("\0\7\0\0"), pair.from_called));
  EXPECT_FALSE(pair.called.receive(pair.now, Buffer::copy_of("x"), pair.from_called));
  EXPECT_FALSE(
      pair.called.receive(pair.now, Buffer::copy_of(std::string(8, '\x7f')), pair.from_called));
}

}  // namespace
}  // namespace magpie::link
