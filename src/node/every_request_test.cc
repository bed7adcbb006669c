// Every request in every version that is offered, with ordinary and with strange contents: it is
// answered in its own form, or parked, or the connection is closed; the node goes on.
#include <gtest/gtest.h>

#include <string>

#include "base/byte_writer.h"
#include "base/random.h"
#include "node/testing/topics.h"
#include "wire/all_messages.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::ApiKey;
using wire::MessageEntry;

const MessageEntry& response_of(const wire::ApiInfo& api) {
  const std::string name = std::string(api.name) + "Response";
  for (const MessageEntry& entry : wire::all_messages()) {
    if (entry.name == name) return entry;
  }
  ADD_FAILURE() << name << " is not in the table";
  return wire::all_messages()[0];
}

Buffer frame_of(const wire::ApiInfo& api, int version, const Buffer& body) {
  ByteWriter out;
  wire::begin_request(out, api.key, version, 1, "test");
  out.write_text(body.text());
  const Buffer whole = flatten(wire::finish_request(out));
  return whole.slice(4, whole.size() - 4);
}

// Checks that the bytes are an answer of this API and version, and nothing else.
void expect_answer(const std::string& frame, const wire::ApiInfo& api, int version) {
  ByteReader in(Buffer::copy_of(frame));
  EXPECT_EQ(in.read_int32(), 1);
  if (wire::response_header_version(api.key, version) >= 1) {
    EXPECT_EQ(in.read_unsigned_varint(), 0u);
  }
  const size_t begin = in.position();
  const auto again = response_of(api).recode(in, version);
  ASSERT_TRUE(again) << api.name << " version " << version << " is not well formed";
  EXPECT_EQ(in.remaining(), 0u) << api.name << " version " << version;
  EXPECT_EQ(again->text(), frame.substr(begin)) << api.name << " version " << version;
}

TEST(EveryRequest, IsAnsweredInEveryVersionThatIsOffered) {
  NodeHarness harness;
  harness.boot();
  int answered = 0;
  for (const MessageEntry& entry : wire::all_messages()) {
    if (entry.request_key < 0) continue;
    const wire::ApiInfo& api = *wire::find_api(entry.request_key);
    for (int version = api.served.low; version <= api.served.high; ++version) {
      TestClient client(harness);
      client.send_bytes(frame_of(api, version, entry.default_bytes(version)));
      // A Produce request that asks for no acknowledgement has no answer.
      if (api.key == ApiKey::kProduce) {
        EXPECT_TRUE(client.is_open()) << api.name << " version " << version;
        continue;
      }
      const auto frame = client.take_frame();
      ASSERT_TRUE(frame) << api.name << " version " << version << " was not answered";
      expect_answer(*frame, api, version);
      ++answered;
    }
  }
  EXPECT_GT(answered, 100);
}

TEST(EveryRequest, WithStrangeContentsLeavesTheNodeWell) {
  NodeHarness harness;
  harness.config.limits.partitions = 50;
  harness.boot();
  Random random(7);
  for (int round = 0; round < 40; ++round) {
    for (const MessageEntry& entry : wire::all_messages()) {
      if (entry.request_key < 0) continue;
      const wire::ApiInfo& api = *wire::find_api(entry.request_key);
      if (api.served.empty()) continue;
      const int version = static_cast<int>(random.between(api.served.low, api.served.high));
      TestClient client(harness);
      client.send_bytes(frame_of(api, version, entry.random_bytes(random, version, version)));
      if (const auto frame = client.take_frame()) expect_answer(*frame, api, version);
      if (random.chance(1, 2) && client.is_open()) client.disconnect();
    }
    harness.advance(Duration::seconds(10));
  }
  ASSERT_EQ(harness.phase(), Phase::kRunning);
  TestClient client(harness);
  EXPECT_EQ(client.call<wire::MetadataResponse>(wire::MetadataRequest()).brokers.size(), 1u);
  create_topic(client, "ordinary");
  EXPECT_EQ(produce(client, "ordinary", 0, batch_of({"a"})).error_code, wire::ErrorCode::kNone);
}

TEST(EveryRequest, WithFlippedBitsLeavesTheNodeWell) {
  NodeHarness harness;
  harness.config.limits.partitions = 50;
  harness.boot();
  Random random(11);
  for (int round = 0; round < 40; ++round) {
    for (const MessageEntry& entry : wire::all_messages()) {
      if (entry.request_key < 0) continue;
      const wire::ApiInfo& api = *wire::find_api(entry.request_key);
      if (api.served.empty()) continue;
      const int version = static_cast<int>(random.between(api.served.low, api.served.high));
      Buffer frame = frame_of(api, version, entry.random_bytes(random, version, version));
      Buffer damaged = Buffer::copy_of(frame.text());
      damaged.mutable_bytes()[random.below(damaged.size())] ^=
          std::byte{static_cast<uint8_t>(1u << random.below(8))};
      TestClient client(harness);
      client.send_bytes(damaged.slice(0, damaged.size() - random.below(3)));
    }
    harness.advance(Duration::seconds(10));
  }
  EXPECT_EQ(harness.phase(), Phase::kRunning);
}

}  // namespace
}  // namespace magpie::node::testing
