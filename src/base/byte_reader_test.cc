#include "base/byte_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/byte_writer.h"
#include "base/random.h"

namespace magpie {
namespace {

Buffer written(ByteWriter& writer) {
  return flatten(writer.finish());
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  ByteWriter writer;
  writer.write_int8(-2);
  writer.write_int16(-300);
  writer.write_int32(70'000);
  writer.write_int64(std::numeric_limits<int64_t>::min());
  writer.write_uint16(65'535);
  writer.write_float64(2.5);
  writer.write_text("key");
  ByteReader reader(written(writer));
  EXPECT_EQ(reader.read_int8(), -2);
  EXPECT_EQ(reader.read_int16(), -300);
  EXPECT_EQ(reader.read_int32(), 70'000);
  EXPECT_EQ(reader.read_int64(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(reader.read_uint16(), 65'535);
  EXPECT_EQ(reader.read_float64(), 2.5);
  EXPECT_EQ(reader.read_text(3), "key");
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, VarintsSurviveARoundTrip) {
  Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    const int shift = static_cast<int>(random.below(64));
    const auto value = static_cast<int64_t>(random.next()) >> shift;
    ByteWriter writer;
    writer.write_varlong(value);
    writer.write_varint(static_cast<int32_t>(value));
    writer.write_unsigned_varint(static_cast<uint32_t>(value));
    ByteReader reader(written(writer));
    EXPECT_EQ(reader.read_varlong(), value);
    EXPECT_EQ(reader.read_varint(), static_cast<int32_t>(value));
    EXPECT_EQ(reader.read_unsigned_varint(), static_cast<uint32_t>(value));
    ASSERT_TRUE(reader.ok() && reader.remaining() == 0);
  }
}

TEST(ByteReader, ZigZagMatchesTheKnownCodes) {
  ByteWriter writer;
  writer.write_varint(-1);
  writer.write_varint(1);
  writer.write_varint(-64);
  EXPECT_EQ(written(writer).text(), std::string_view("\x01\x02\x7f", 3));
}

TEST(ByteReader, FailureIsStickyAndYieldsZeros) {
  ByteReader reader(Buffer::copy_of("ab"));
  EXPECT_EQ(reader.read_int32(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.read_int8(), 0);
  EXPECT_TRUE(reader.read_text(1).empty());
  EXPECT_TRUE(reader.read_buffer(1).empty());
}

TEST(ByteReader, OverlongVarintsAreRefused) {
  ByteReader five(Buffer::copy_of("\xff\xff\xff\xff\x1f"));
  five.read_unsigned_varint();
  EXPECT_FALSE(five.ok());
  ByteReader ten(Buffer::copy_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
  ten.read_unsigned_varlong();
  EXPECT_FALSE(ten.ok());
}

TEST(ByteWriter, SplicesLargePiecesWithoutCopying) {
  const Buffer large = Buffer::copy_of(std::string(4'096, 'x'));
  ByteWriter writer;
  writer.write_int8(1);
  writer.splice(large);
  writer.splice(large.slice(0, 3));
  EXPECT_EQ(writer.size(), 4'100u);
  const BufferChain chain = writer.finish();
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[1].data(), large.data());
  EXPECT_EQ(chain[2].text(), "xxx");
}

TEST(ByteWriter, FillsAReservedLength) {
  ByteWriter writer;
  writer.splice(Buffer::copy_of(std::string(1'000, 'x')));
  const size_t place = writer.reserve_int32();
  writer.write_text("abcd");
  writer.fill_int32(place, 4);
  ByteReader reader(written(writer));
  reader.skip(1'000);
  EXPECT_EQ(reader.read_int32(), 4);
}

}  // namespace
}  // namespace magpie
