#include "wire/request_frame.h"

#include <gtest/gtest.h>

#include "wire/api_versions.h"
#include "wire/hex.h"
#include "wire/metadata.h"
#include "wire/response_frame.h"

namespace magpie::wire {
namespace {

TEST(RequestFrame, GoldenApiVersionsFrames) {
  EXPECT_EQ(to_hex(flatten(frame_request(ApiVersionsRequest(), 0, 1, "test"))),
            to_hex(from_hex("0000000e | 0012 0000 00000001 0004 'test'")));
  ApiVersionsRequest request;
  request.client_software_name = "kcat";
  request.client_software_version = "1.7";
  EXPECT_EQ(to_hex(flatten(frame_request(request, 3, 2, {}))),
            to_hex(from_hex("00000015 | 0012 0003 00000002 ffff 00 | 05 'kcat' 04 '1.7' 00")));
}

TEST(RequestFrame, HeaderLeavesTheReaderAtTheBody) {
  ByteReader in(from_hex("0003 0001 0000002a 0003 'abc' | 00000000"));
  RequestHeader header;
  ASSERT_EQ(read_request_header(in, header), HeaderOutcome::kServe);
  EXPECT_EQ(header.request_api_key, 3);
  EXPECT_EQ(header.request_api_version, 1);
  EXPECT_EQ(header.correlation_id, 42);
  EXPECT_EQ(header.client_id, "abc");
  MetadataRequest body;
  ASSERT_TRUE(decode(in, body, header.request_api_version));
  EXPECT_EQ(in.remaining(), 0u);
}

// KIP-482: the client id keeps its two-byte length in header version 2; tags follow it.
TEST(RequestFrame, FlexibleHeaderHasAClassicClientIdAndTags) {
  ByteReader in(from_hex("0003 000c 00000001 0003 'abc' | 01 07 02 'zz' | 00 00 00 00"));
  RequestHeader header;
  ASSERT_EQ(read_request_header(in, header), HeaderOutcome::kServe);
  EXPECT_EQ(header.client_id, "abc");
  EXPECT_EQ(in.remaining(), 4u);
}

TEST(RequestFrame, NullClientId) {
  ByteReader in(from_hex("0003 0001 00000001 ffff"));
  RequestHeader header;
  ASSERT_EQ(read_request_header(in, header), HeaderOutcome::kServe);
  EXPECT_EQ(header.client_id, std::nullopt);
}

TEST(RequestFrame, HeaderVersionFollowsApiAndVersion) {
  EXPECT_EQ(request_header_version(0, 8), 1);
  EXPECT_EQ(request_header_version(0, 9), 2);
  EXPECT_EQ(request_header_version(18, 2), 1);
  EXPECT_EQ(request_header_version(18, 3), 2);
  EXPECT_EQ(request_header_version(47, 0), 1);  // OffsetDelete: never flexible
  EXPECT_EQ(request_header_version(7, 0), 0);   // ControlledShutdown
}

TEST(RequestFrame, UnknownApiAndTruncationAreToldApart) {
  RequestHeader header;
  ByteReader unknown(from_hex("03e8 0000 00000007 ffff"));
  EXPECT_EQ(read_request_header(unknown, header), HeaderOutcome::kUnknownApi);
  EXPECT_EQ(header.correlation_id, 7);
  ByteReader sasl(from_hex("0011 0000 00000007 ffff"));
  EXPECT_EQ(read_request_header(sasl, header), HeaderOutcome::kUnknownApi);
  const Buffer whole = from_hex("0003 000c 00000001 0003 'abc' 00");
  for (size_t length = 0; length < whole.size(); ++length) {
    ByteReader in(whole.slice(0, length));
    EXPECT_EQ(read_request_header(in, header), HeaderOutcome::kMalformed) << length;
  }
}

TEST(RequestFrame, OldProduceIsKnownButNotServed) {
  ByteReader in(from_hex("0000 0002 00000007 ffff | 0001 00000000 00000000"));
  RequestHeader header;
  EXPECT_EQ(read_request_header(in, header), HeaderOutcome::kUnsupportedVersion);
  EXPECT_EQ(header.correlation_id, 7);
  EXPECT_EQ(in.remaining(), 10u);
}

// Pitfall 1: a client newer than the broker asks with a version nobody here knows. The correlation
// id must be found whatever follows, and the answer has the layout of version 0, error 35 and the
// range of ApiVersions itself, so that the client can ask again.
TEST(Pitfall1ApiVersionsFromTheFuture, IsAnsweredInVersionZero) {
  for (const char* rest : {"ffff 00 | 01 02 03", "0004 'test' 7f 'what is this'", "7fff"}) {
    ByteReader in(from_hex(std::string("0012 0063 0000002a ") + rest));
    RequestHeader header;
    ASSERT_EQ(read_request_header(in, header), HeaderOutcome::kUnsupportedVersion);
    EXPECT_EQ(header.request_api_key, 18);
    EXPECT_EQ(header.correlation_id, 42);
  }
  ApiVersionsResponse answer;
  answer.error_code = ErrorCode::kUnsupportedVersion;
  answer.api_keys = {{18, 0, 4}};
  EXPECT_EQ(to_hex(flatten(frame_response(answer, 0, 42))),
            to_hex(from_hex("00000010 | 0000002a | 0023 | 00000001 | 0012 0000 0004")));
}

}  // namespace
}  // namespace magpie::wire
