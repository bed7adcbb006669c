#include "wire/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "wire/hex.h"

namespace magpie::wire {
namespace {

std::string prefixed(std::string_view body) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += static_cast<char>(static_cast<uint32_t>(body.size()) >> shift);
  }
  return text + std::string(body);
}

// The simple twin: keeps all bytes, cuts from the front.
class NaiveAssembler {
 public:
  void add(std::string_view bytes) { pending_ += bytes; }
  std::vector<std::string> take() {
    std::vector<std::string> frames;
    while (pending_.size() >= 4) {
      uint32_t size = 0;
      for (int i = 0; i < 4; ++i) size = (size << 8) | static_cast<uint8_t>(pending_[i]);
      if (pending_.size() < 4 + size) break;
      frames.push_back(pending_.substr(4, size));
      pending_.erase(0, 4 + size);
    }
    return frames;
  }

 private:
  std::string pending_;
};

std::vector<std::string> take(FrameAssembler& assembler) {
  std::vector<std::string> frames;
  while (std::optional<Buffer> frame = assembler.next()) frames.emplace_back(frame->text());
  return frames;
}

// Feeds bytes as a driver does, at most `piece` at a time; returns the frames that became whole.
std::vector<std::string> feed(FrameAssembler& assembler, std::string_view bytes, size_t piece) {
  std::vector<std::string> frames;
  while (!bytes.empty() && assembler.status().has_value()) {
    const std::span<std::byte> place = assembler.writable();
    const size_t count = std::min({place.size(), bytes.size(), piece});
    std::memcpy(place.data(), bytes.data(), count);
    assembler.commit(count);
    bytes.remove_prefix(count);
    for (std::string& frame : take(assembler)) frames.push_back(std::move(frame));
  }
  return frames;
}

TEST(FrameAssembler, GivesTheSameFramesWhereverTheBytesAreSplit) {
  const std::string bytes = prefixed("one") + prefixed("") + prefixed("three") + prefixed("4");
  const std::vector<std::string> expected = {"one", "", "three", "4"};
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameAssembler assembler;
    std::vector<std::string> frames = feed(assembler, bytes.substr(0, cut), 1'000);
    for (std::string& frame : feed(assembler, bytes.substr(cut), 1'000)) {
      frames.push_back(std::move(frame));
    }
    EXPECT_EQ(frames, expected) << "cut at " << cut;
    EXPECT_EQ(assembler.held_bytes(), 0u);
  }
}

TEST(FrameAssembler, AgreesWithTheNaiveTwin) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    FrameAssembler assembler;
    NaiveAssembler twin;
    const size_t largest = round % 6 == 0 ? 3 * kEagerFrameBytes : 4 * kReadBlockBytes;
    for (int step = 0; step < 8; ++step) {
      std::string bytes;
      for (uint64_t frames = random.below(5); frames > 0; --frames) {
        const size_t size = random.chance(1, 4) ? random.below(largest) : random.below(200);
        bytes += prefixed(std::string(size, static_cast<char>(random.next())));
      }
      const size_t piece = random.chance(1, 3) ? 1 + random.below(700) : 1'000'000;
      twin.add(bytes);
      ASSERT_EQ(feed(assembler, bytes, piece), twin.take());
    }
    EXPECT_TRUE(assembler.status().has_value());
  }
}

TEST(FrameAssembler, FramesStayValidAndShareTheirBlock) {
  FrameAssembler assembler;
  const std::string bytes = prefixed("first") + prefixed("second");
  const std::span<std::byte> place = assembler.writable();
  ASSERT_GE(place.size(), bytes.size());
  std::memcpy(place.data(), bytes.data(), bytes.size());
  assembler.commit(bytes.size());
  const std::optional<Buffer> first = assembler.next();
  const std::optional<Buffer> second = assembler.next();
  EXPECT_EQ(first->text(), "first");
  EXPECT_EQ(second->text(), "second");
  EXPECT_EQ(second->data(), first->data() + 5 + 4);
  EXPECT_EQ(assembler.next(), std::nullopt);
  assembler.writable();
  EXPECT_EQ(first->text(), "first");
}

TEST(FrameAssembler, AMediumFrameIsReadStraightIntoABlockOfItsSize) {
  FrameAssembler assembler;
  const std::string bytes = prefixed(std::string(200'000, 'x'));
  std::memcpy(assembler.writable().data(), bytes.data(), 4);
  assembler.commit(4);
  ASSERT_EQ(assembler.next(), std::nullopt);
  const std::span<std::byte> rest = assembler.writable();
  EXPECT_EQ(rest.size(), bytes.size() - 4);
  EXPECT_EQ(assembler.held_bytes(), bytes.size());
  std::memcpy(rest.data(), bytes.data() + 4, rest.size());
  assembler.commit(rest.size());
  const std::optional<Buffer> frame = assembler.next();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->data() + frame->size(), rest.data() + rest.size());
  EXPECT_EQ(frame->block_size(), bytes.size());
}

// A peer that claims a large frame and then sends slowly holds memory for what it sent.
TEST(FrameAssembler, MemoryFollowsWhatArrivedNotWhatWasClaimed) {
  FrameAssembler assembler(100 * kEagerFrameBytes);
  const std::string bytes = prefixed(std::string(40 * kEagerFrameBytes, 'x'));
  size_t sent = 0;
  while (sent < bytes.size()) {
    const std::span<std::byte> place = assembler.writable();
    const size_t count = std::min({place.size(), bytes.size() - sent, size_t{50'000}});
    std::memcpy(place.data(), bytes.data() + sent, count);
    assembler.commit(count);
    sent += count;
    ASSERT_LE(assembler.held_bytes(), std::max(kEagerFrameBytes, 4 * sent));
    if (sent < bytes.size()) {
      ASSERT_EQ(assembler.next(), std::nullopt);
    }
  }
  EXPECT_EQ(assembler.next()->text(), std::string_view(bytes).substr(4));
  EXPECT_EQ(assembler.held_bytes(), 0u);
}

TEST(FrameAssembler, RefusesAFrameAboveTheLimitAndNamesItsSize) {
  FrameAssembler assembler(1'000);
  EXPECT_EQ(feed(assembler, prefixed(std::string(1'000, 'x')), 5'000).size(), 1u);
  EXPECT_TRUE(feed(assembler, prefixed(std::string(1'001, 'x')), 5'000).empty());
  ASSERT_FALSE(assembler.status().has_value());
  EXPECT_EQ(assembler.status().error().kind, ErrorKind::kLimit);
  EXPECT_EQ(assembler.status().error().message,
            "a frame of 1001 bytes exceeds the limit of 1000 bytes");
  EXPECT_EQ(assembler.next(), std::nullopt);
}

TEST(FrameAssembler, FramesBeforeTheRefusedOneAreStillDelivered) {
  FrameAssembler assembler(1'000);
  const auto frames = feed(assembler, prefixed("good") + std::string("\xff\xff\xff\xff", 4), 100);
  EXPECT_EQ(frames, std::vector<std::string>{"good"});
  EXPECT_EQ(assembler.status().error().message,
            "a frame of -1 bytes exceeds the limit of 1000 bytes");
}

TEST(FrameAssembler, SaysWhatAStrangePeerProbablyIs) {
  FrameAssembler http;
  feed(http, "GET / HTTP/1.1\r\n", 100);
  EXPECT_NE(http.status().error().message.find("HTTP"), std::string::npos);
  FrameAssembler tls;
  feed(tls, std::string("\x16\x03\x01\x02\x00\x01", 6), 100);
  EXPECT_NE(tls.status().error().message.find("TLS"), std::string::npos);
}

}  // namespace
}  // namespace magpie::wire
