// Recorded sessions of real clients, played again (test/golden/README.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "node/testing/replay.h"
#include "record/batch.h"
#include "source_tree/source_dir.h"
#include "wire/produce.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::node::testing {
namespace {

std::vector<RecordedFrame> read(const std::string& name) {
  std::ifstream file(std::string(MAGPIE_SOURCE_DIR "/test/golden/") + name + ".txt");
  std::stringstream text;
  text << file.rdbuf();
  auto frames = parse_recording(text.str());
  EXPECT_TRUE(frames && !frames->empty()) << name;
  return frames ? *frames : std::vector<RecordedFrame>();
}

// When the youngest record was made, to set the node's clock to the days of the recording.
WallTime latest_time_in(const std::vector<RecordedFrame>& frames) {
  WallTime latest;
  for (const RecordedFrame& frame : frames) {
    if (!frame.is_request || frame.api_key != static_cast<int16_t>(wire::ApiKey::kProduce))
      continue;
    ByteReader in(*frame.bytes);
    wire::RequestHeader header;
    wire::read_request_header(in, header);
    wire::ProduceRequest body;
    EXPECT_TRUE(decode(in, body, frame.version)) << frame.line;
    for (const auto& topic : body.topic_data) {
      for (const auto& partition : topic.partition_data) {
        const WallTime made{record::parse_header(partition.records->bytes()).max_timestamp};
        latest = std::max(latest, made);
      }
    }
  }
  return latest;
}

ReplayResult replay(const std::vector<RecordedFrame>& frames) {
  NodeHarness harness;
  harness.config.default_partitions = 4;  // as of the recorded broker
  harness.config.group_initial_rebalance_delay = Duration::milliseconds(500);
  harness.set_wall_clock(latest_time_in(frames));
  harness.boot();
  return Replay(harness).run(frames);
}

// Makes an error of the first success in an answer.
class ErrorMaker final : public wire::FieldVisitor {
 public:
  void error_code(const std::string&, wire::ErrorCode& value) override {
    if (made || value != wire::ErrorCode::kNone) return;
    value = wire::ErrorCode::kUnknownServerError;
    made = true;
  }
  void number(const std::string&, int64_t&) override {}
  void text(const std::string&, std::string&) override {}
  void uuid(const std::string&, Uuid&) override {}
  void bytes(const std::string&, Buffer&) override {}
  void null(const std::string&) override {}
  void count(const std::string&, size_t) override {}

  bool made = false;
};

// The answer with an error in it; nothing if there is no place for one.
std::optional<Buffer> with_error(const RecordedFrame& frame) {
  ByteReader in(*frame.bytes);
  in.skip(4);
  const auto api = static_cast<wire::ApiKey>(frame.api_key);
  if (wire::response_header_version(api, frame.version) >= 1) in.skip(1);
  const Buffer header = frame.bytes->slice(0, in.position());
  ErrorMaker maker;
  const auto body = find_message(frame.api_key, false)->visit(in, frame.version, maker);
  if (!body || !maker.made) return std::nullopt;
  return flatten({header, *body});
}

class GoldenReplay : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenReplay, IsAnsweredAsItWas) {
  const std::vector<RecordedFrame> frames = read(GetParam());
  const ReplayResult result = replay(frames);
  for (const std::string& difference : result.differences) ADD_FAILURE() << difference;
  EXPECT_GT(result.answers, 20);
  EXPECT_GT(result.compared, 5);
  EXPECT_LT(result.not_ready, 10);
}

// A comparison that never complains proves nothing.
TEST_P(GoldenReplay, AnyAnswerThatDiffersIsNoticed) {
  const std::vector<RecordedFrame> frames = read(GetParam());
  int changed = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    const wire::ApiInfo* api = wire::find_api(frames[i].api_key);
    const bool is_served = api != nullptr && api->served.contains(frames[i].version);
    if (frames[i].is_request || !frames[i].bytes || !is_served) continue;
    const auto bytes = with_error(frames[i]);
    if (!bytes) continue;
    std::vector<RecordedFrame> other = frames;
    other[i].bytes = bytes;
    const auto differences = replay(other).differences;
    ASSERT_EQ(differences.size(), 1u) << "line " << frames[i].line;
    EXPECT_NE(differences[0].find("recorded UNKNOWN_SERVER_ERROR, here NONE"), std::string::npos)
        << differences[0];
    ++changed;
  }
  EXPECT_GT(changed, 5);
}

INSTANTIATE_TEST_SUITE_P(Sessions, GoldenReplay,
                         ::testing::Values("kcat", "kafka_python", "kafkajs", "java"),
                         [](const auto& session) { return std::string(session.param); });

}  // namespace
}  // namespace magpie::node::testing
