#include "link/packing.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "record/builder.h"
#include "record/codec.h"

namespace magpie::link {
namespace {

constexpr size_t kMax = 1 << 20;

Buffer batch_of(const std::string& value, record::Codec codec = record::Codec::kNone) {
  record::BatchBuilder builder(codec);
  builder.add({.timestamp = 1, .key = "k", .value = value});
  return builder.build();
}

wire::LinkBatches message_of(const std::vector<Buffer>& batches) {
  wire::LinkBatches message;
  message.epoch = 7;
  auto& partition = message.partitions.emplace_back();
  partition.handle = 3;
  for (const Buffer& batch : batches) {
    if (!partition.batches) partition.batches.emplace();
    partition.batches->push_back(batch);
  }
  return message;
}

std::string noise(size_t bytes) {
  Random random(3);
  std::string text;
  while (text.size() < bytes) text += static_cast<char>(random.below(256));
  return text;
}

TEST(Packing, WhatComesOutIsWhatWentIn) {
  const std::vector<Buffer> batches = {batch_of(std::string(4'000, 'a')), batch_of("b")};
  const auto packed = pack(message_of(batches), 0);
  ASSERT_TRUE(packed);
  EXPECT_LT(size_of(*packed->bytes), 500U);
  const auto message = unpack(*packed, 0, kMax);
  ASSERT_TRUE(message) << message.error().message;
  const auto& came = std::get<wire::LinkBatches>(*message);
  ASSERT_EQ(came.partitions.size(), 1U);
  EXPECT_EQ(came.epoch, 7);
  EXPECT_EQ(flatten(*came.partitions[0].batches),
            flatten(BufferChain(batches.begin(), batches.end())));
}

TEST(Packing, WhatDoesNotPayGoesAsItIs) {
  EXPECT_FALSE(pack(message_of({batch_of("short")}), 0));
  EXPECT_FALSE(pack(message_of({batch_of(noise(8'000))}), 0)) << "it gets no shorter";
  EXPECT_FALSE(pack(message_of({}), 0));
  EXPECT_FALSE(pack(wire::LinkPing(), 0));
  const Buffer compressed = batch_of(noise(30'000), record::Codec::kLz4);
  EXPECT_FALSE(pack(message_of({compressed, batch_of(std::string(4'000, 'a'))}), 0))
      << "most of it is compressed already";
}

TEST(Packing, WhatAPeerMustNotSendIsRefused) {
  const auto packed = pack(message_of({batch_of(std::string(4'000, 'a'))}), 0);
  ASSERT_TRUE(packed);
  EXPECT_EQ(unpack(*packed, 0, 1'000).error().kind, ErrorKind::kLimit);
  EXPECT_FALSE(unpack(wire::LinkPacked(), 0, kMax));
  const Buffer bytes = flatten(*packed->bytes);
  wire::LinkPacked cut;
  cut.bytes.emplace().push_back(bytes.slice(0, bytes.size() - 3));
  EXPECT_FALSE(unpack(cut, 0, kMax));
  // A packed ping.
  const Buffer ping = flatten(encode_frame(wire::LinkPing(), 0));
  wire::LinkPacked other;
  other.bytes.emplace().push_back(
      record::compress(record::Codec::kZstd, ping.slice(4, ping.size() - 4)));
  EXPECT_EQ(unpack(other, 0, kMax).error().kind, ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace magpie::link
