#include "record/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "base/random.h"

namespace magpie::record {
namespace {

constexpr Codec kPacked[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

Codec any_codec(uint8_t number) {
  return static_cast<Codec>(number % 5);
}

RC_GTEST_PROP(Codec, RoundTrip, (uint8_t number, const std::string& text, uint8_t repeat)) {
  std::string input;
  for (int i = 0; i <= repeat; ++i) input += text;
  const Codec codec = any_codec(number);
  const Buffer packed = compress(codec, Buffer::copy_of(input));
  const Result<Buffer> unpacked = decompress(codec, packed, input.size());
  RC_ASSERT(unpacked.has_value());
  RC_ASSERT(unpacked->text() == input);
}

TEST(Codec, LargeInputsCrossChunkAndBlockBorders) {
  Random random(1);
  std::string input(300'000, '\0');
  for (char& c : input) c = static_cast<char>('a' + random.below(4));
  for (const Codec codec : kPacked) {
    const Buffer packed = compress(codec, Buffer::copy_of(input));
    EXPECT_LT(packed.size(), input.size()) << to_string(codec);
    const Result<Buffer> unpacked = decompress(codec, packed, input.size());
    ASSERT_TRUE(unpacked) << to_string(codec);
    EXPECT_EQ(unpacked->text(), input) << to_string(codec);
  }
}

TEST(Codec, BombsAreRefusedAtTheLimit) {
  const Buffer input = Buffer::copy_of(std::string(1'000'000, 'x'));
  for (const Codec codec : kPacked) {
    const Buffer packed = compress(codec, input);
    EXPECT_TRUE(decompress(codec, packed, 1'000'000)) << to_string(codec);
    const Result<Buffer> refused = decompress(codec, packed, 999'999);
    ASSERT_FALSE(refused) << to_string(codec);
    EXPECT_EQ(refused.error().kind, ErrorKind::kLimit) << to_string(codec);
  }
}

TEST(Codec, TruncatedInputIsDamaged) {
  const Buffer input = Buffer::copy_of(std::string(5'000, 'y') + "end");
  for (const Codec codec : kPacked) {
    const Buffer packed = compress(codec, input);
    for (const size_t length : {size_t{0}, size_t{3}, packed.size() / 2, packed.size() - 1}) {
      const Result<Buffer> unpacked = decompress(codec, packed.slice(0, length), 10'000);
      EXPECT_FALSE(unpacked && *unpacked == input) << to_string(codec) << " " << length;
    }
  }
}

RC_GTEST_PROP(Codec, GarbageNeverBreaksTheLimit, (uint8_t number, const std::string& text)) {
  const Result<Buffer> unpacked = decompress(any_codec(number), Buffer::copy_of(text), 64);
  RC_ASSERT(!unpacked || unpacked->size() <= 64u);
}

TEST(Codec, RawSnappyAsLibrdkafkaSendsIt) {
  // "Wikipedia is a free, web-based" … the format description's way: length 5, then a literal.
  const Buffer raw = Buffer::copy_of(std::string_view("\x05\x10hello", 7));
  const Result<Buffer> unpacked = decompress(Codec::kSnappy, raw, 100);
  ASSERT_TRUE(unpacked);
  EXPECT_EQ(unpacked->text(), "hello");
}

TEST(Codec, SnappyCannotClaimMoreThanItCanHold) {
  // Claims 2^28 bytes in nothing at all.
  const Buffer lie = Buffer::copy_of(std::string_view("\x80\x80\x80\x80\x01", 5));
  const Result<Buffer> unpacked = decompress(Codec::kSnappy, lie, size_t{1} << 30);
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(unpacked.error().kind, ErrorKind::kCorrupt);
}

TEST(Codec, JoinedGzipMembersAreOneStream) {
  const Buffer first = compress(Codec::kGzip, Buffer::copy_of("one "));
  const Buffer second = compress(Codec::kGzip, Buffer::copy_of("two"));
  const Result<Buffer> unpacked = decompress(Codec::kGzip, flatten({first, second}), 100);
  ASSERT_TRUE(unpacked);
  EXPECT_EQ(unpacked->text(), "one two");
}

TEST(Codec, UnknownNumbersAreUnsupported) {
  const Result<Buffer> unpacked = decompress(static_cast<Codec>(5), Buffer(), 100);
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(unpacked.error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace magpie::record
