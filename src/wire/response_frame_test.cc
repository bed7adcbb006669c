#include "wire/response_frame.h"

#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "wire/api_versions.h"
#include "wire/fetch.h"
#include "wire/hex.h"

namespace magpie::wire {
namespace {

// Pitfall 2: flexible answers have a header with tags, those of ApiVersions never.
TEST(Pitfall2ApiVersionsResponseHeader, StaysAtVersionZero) {
  for (int version = 0; version <= 4; ++version) {
    EXPECT_EQ(response_header_version(ApiKey::kApiVersions, version), 0);
  }
  EXPECT_EQ(to_hex(flatten(frame_response(ApiVersionsResponse(), 3, 9))),
            to_hex(from_hex("0000000c | 00000009 | 0000 01 00000000 00")));
  EXPECT_EQ(response_header_version(ApiKey::kMetadata, 8), 0);
  EXPECT_EQ(response_header_version(ApiKey::kMetadata, 9), 1);
}

TEST(ResponseFrame, SizePrefixCountsLinkedRecords) {
  FetchResponse response;
  FetchResponse::Partition partition;
  const Buffer records = Buffer::copy_of(std::string(70'000, 'x'));
  partition.records = BufferChain{records, records};
  response.responses = {{"t", {}, {partition}}};
  const BufferChain frame = frame_response(response, 12, 5);
  ByteReader in(flatten(frame));
  EXPECT_EQ(static_cast<size_t>(in.read_int32()), size_of(frame) - 4);
  EXPECT_EQ(in.read_int32(), 5);
  EXPECT_EQ(in.read_int8(), 0);  // header version 1: no tags
  FetchResponse decoded;
  ASSERT_TRUE(decode(in, decoded, 12));
  EXPECT_EQ(size_of(*decoded.responses[0].partitions[0].records), 140'000u);
  EXPECT_EQ(frame[1].data(), records.data());
}

}  // namespace
}  // namespace magpie::wire
