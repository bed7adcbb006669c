// Bytes that must be refused, and what decoding and encoding promise beyond a round trip.
#include <gtest/gtest.h>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "wire/api_versions.h"
#include "wire/delete_groups.h"
#include "wire/describe_configs.h"
#include "wire/fetch.h"
#include "wire/hex.h"
#include "wire/list_groups.h"
#include "wire/message_reader.h"
#include "wire/metadata.h"
#include "wire/offset_fetch.h"
#include "wire/produce.h"
#include "wire/sync_group.h"

namespace magpie::wire {
namespace {

template <typename Message>
bool decodes(std::string_view hex, int version) {
  ByteReader in(from_hex(hex));
  Message message;
  return decode(in, message, version);
}

template <typename Message>
Buffer encoded(const Message& value, int version) {
  ByteWriter out;
  encode(out, value, version);
  return flatten(out.finish());
}

TEST(Decode, NullWhereTheVersionDoesNotAllowItIsMalformed) {
  EXPECT_FALSE(decodes<MetadataRequest>("ffffffff", 0));
  EXPECT_TRUE(decodes<MetadataRequest>("ffffffff", 1));
  EXPECT_FALSE(decodes<MetadataRequest>("00000001 ffff", 1));
  EXPECT_FALSE(decodes<OffsetFetchRequest>("0001 'g' ffffffff", 1));
  EXPECT_TRUE(decodes<OffsetFetchRequest>("0001 'g' ffffffff", 2));
  EXPECT_FALSE(decodes<SyncGroupResponse>("0000 ffffffff", 0));
}

TEST(Decode, LengthsBelowMinusOneAreMalformed) {
  EXPECT_FALSE(decodes<MetadataRequest>("fffffffe", 1));
  EXPECT_FALSE(decodes<MetadataRequest>("80000000", 1));
  EXPECT_FALSE(decodes<OffsetFetchRequest>("fffe 00000000", 2));
}

TEST(Decode, AnArrayThatClaimsMoreThanTheBytesHoldIsRefused) {
  EXPECT_FALSE(decodes<MetadataRequest>("7fffffff 0003 'foo'", 1));
  EXPECT_FALSE(decodes<MetadataRequest>("00000003 0003 'foo'", 1));
  EXPECT_FALSE(decodes<ListGroupsRequest>("ffffffff0f", 4));
  EXPECT_FALSE(decodes<FetchRequest>("ffffffff 00000000 00000000 00000000 00 7fffffff", 4));
}

// Refusing late would be no help: a million topics of Fetch take 70 MB.
TEST(Decode, NothingIsAllocatedForElementsThatCannotBeThere) {
  FetchRequest request;
  ByteReader in(from_hex("ffffffff 00000000 00000000 00000000 00 000f4240 0003 'foo'"));
  EXPECT_FALSE(decode(in, request, 4));
  EXPECT_EQ(request.topics.capacity(), 0u);
}

// Empty strings are one byte each on the wire and much more in memory.
TEST(Decode, MoreElementsThanTheLimitAreRefused) {
  const auto names = [](size_t count) {
    DeleteGroupsRequest request;
    request.groups_names.resize(count);
    return encoded(request, 2);
  };
  DeleteGroupsRequest decoded;
  ByteReader most(names(kMaximumElements));
  EXPECT_TRUE(decode(most, decoded, 2));
  ByteReader more(names(kMaximumElements + 1));
  EXPECT_FALSE(decode(more, decoded, 2));
}

TEST(Decode, NestedArraysShareTheLimit) {
  DescribeConfigsRequest request;
  request.resources.resize(2);
  for (auto& resource : request.resources) {
    resource.configuration_keys.emplace(kMaximumElements / 2);
  }
  ByteReader more(encoded(request, 4));
  DescribeConfigsRequest decoded;
  EXPECT_FALSE(decode(more, decoded, 4));
  request.resources.pop_back();
  ByteReader fewer(encoded(request, 4));
  EXPECT_TRUE(decode(fewer, decoded, 4));
}

TEST(Decode, ATaggedFieldMustEndWhereItSaysItDoes) {
  const std::string_view head = "0000 | 01 | 00000000 | 01 | 01 ";
  const auto with = [&](std::string_view field) {
    return decodes<ApiVersionsResponse>(std::string(head) + std::string(field), 3);
  };
  EXPECT_TRUE(with("08 0000000000000005"));
  EXPECT_FALSE(with("07 0000000000000005"));
  EXPECT_FALSE(with("09 0000000000000005 00"));
  EXPECT_FALSE(with("ffffffff0f 0000000000000005"));
}

TEST(Decode, StringsOfTheFlexibleFormAreNotLongerThanTheClassicFormAllows) {
  ListGroupsRequest request;
  request.states_filter = {std::string(kMaximumStringBytes, 'x')};
  ByteWriter out;
  encode(out, request, 4);
  EXPECT_TRUE(decodes<ListGroupsRequest>(to_hex(flatten(out.finish())), 4));
  // One byte longer: 2 elements minus 1, length 32768 plus 1 as a varint.
  const std::string longer(kMaximumStringBytes + 1, 'x');
  EXPECT_FALSE(decodes<ListGroupsRequest>("02 818002 '" + longer + "' 00", 4));
}

TEST(Decode, StartsFromTheDefaults) {
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.include_topic_authorized_operations = true;
  ByteReader in(from_hex("00000000"));
  ASSERT_TRUE(decode(in, request, 1));
  EXPECT_TRUE(request.allow_auto_topic_creation);
  EXPECT_FALSE(request.include_topic_authorized_operations);
}

TEST(Decode, RecordsAreSlicesOfTheFrame) {
  ProduceRequest request;
  request.topic_data = {{"foo", {}, {{0, Buffer::copy_of(std::string(5'000, 'x'))}}}};
  const Buffer frame = encoded(request, 7);
  ByteReader in(frame);
  ProduceRequest decoded;
  ASSERT_TRUE(decode(in, decoded, 7));
  const Buffer& records = *decoded.topic_data[0].partition_data[0].records;
  EXPECT_EQ(records.size(), 5'000u);
  EXPECT_EQ(records.data(), frame.data() + frame.size() - records.size());
}

TEST(Encode, RecordsAreLinkedNotCopied) {
  const Buffer first = Buffer::copy_of(std::string(5'000, 'x'));
  const Buffer second = Buffer::copy_of(std::string(6'000, 'y'));
  FetchResponse response;
  FetchResponse::Partition partition;
  partition.records = BufferChain{first, second};
  response.responses = {{"t", {}, {partition}}};
  ByteWriter out;
  encode(out, response, 11);
  const BufferChain chain = out.finish();
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[1].data(), first.data());
  EXPECT_EQ(chain[2].data(), second.data());
}

TEST(Encode, NullBecomesEmptyWhereTheVersionCannotSayNull) {
  MetadataRequest all;
  EXPECT_EQ(to_hex(encoded(all, 1)), "ffffffff");
  EXPECT_EQ(to_hex(encoded(all, 0)), "00000000");
}

TEST(Encode, AStringTooLongForTheProtocolIsCut) {
  ListGroupsRequest request;
  request.states_filter = {std::string(kMaximumStringBytes + 10, 'x')};
  ByteReader in(encoded(request, 4));
  ListGroupsRequest decoded;
  ASSERT_TRUE(decode(in, decoded, 4));
  EXPECT_EQ(decoded.states_filter[0].size(), kMaximumStringBytes);
}

// Pitfall 9, as it happened: the new leader is known, but the client's version has no place for it.
TEST(Pitfall9TaggedFieldsOfOtherVersions, TheNewLeaderIsLeftOutBelowItsVersion) {
  ProduceResponse plain;
  plain.responses = {{"t", {}, {ProduceResponse::Partition()}}};
  ProduceResponse redirected = plain;
  redirected.responses[0].partition_responses[0].current_leader = {2, 5};
  redirected.node_endpoints = {{2, "host", 9092, {}}};
  for (int version = 0; version <= 9; ++version) {
    EXPECT_EQ(encoded(redirected, version), encoded(plain, version)) << version;
  }
  EXPECT_NE(encoded(redirected, 10), encoded(plain, 10));
}

TEST(LostField, NamesWhatAVersionCannotSay) {
  FetchResponse response;
  EXPECT_EQ(lost_field(response, 4), nullptr);
  FetchResponse::Partition partition;
  partition.preferred_read_replica = 3;
  response.responses = {{"t", {}, {partition}}};
  EXPECT_STREQ(lost_field(response, 10), "PreferredReadReplica");
  EXPECT_EQ(lost_field(response, 11), nullptr);
}

TEST(LostField, SaysNothingAboutFieldsThatMayBeDropped) {
  ApiVersionsResponse response;
  response.throttle_time_ms = 5;
  response.finalized_features_epoch = 5;
  EXPECT_EQ(lost_field(response, 0), nullptr);
}

TEST(LostField, SeesAnAnswerFilledForAnotherGenerationOfVersions) {
  OffsetFetchResponse response;
  response.groups.resize(1);
  EXPECT_STREQ(lost_field(response, 7), "Groups");
  EXPECT_EQ(lost_field(response, 8), nullptr);
}

}  // namespace
}  // namespace magpie::wire
