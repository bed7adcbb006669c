// The examples of docs/formats/ are what the code reads and writes.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/memory_engine.h"
#include "log/checkpoint.h"
#include "log/segment_index.h"
#include "partition/partition.h"
#include "record/batch.h"
#include "record/builder.h"
#include "source_tree/source_dir.h"

namespace magpie::server {
namespace {

bool is_byte(const std::string& word) {
  return word.size() == 2 && word.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The bytes of a page's example: the block of indented lines with pairs of digits that follows
// `heading`. Three spaces or more stand before an explanation.
std::string example(const std::string& page, const std::string& heading) {
  std::ifstream file(MAGPIE_SOURCE_DIR "/docs/formats/" + page);
  std::string bytes;
  bool found = false;
  for (std::string line; std::getline(file, line);) {
    found |= line.find(heading) != std::string::npos;
    if (!found) continue;
    const bool indented =
        line.starts_with("    ") && is_byte(line.substr(4, line.find(' ', 4) - 4));
    if (!indented && !bytes.empty()) break;
    if (!indented) continue;
    std::istringstream words(line.substr(0, line.find("   ", 4)));
    for (std::string word; words >> word;) {
      EXPECT_TRUE(is_byte(word)) << line;
      bytes += static_cast<char>(std::stoi(word, nullptr, 16));
    }
  }
  EXPECT_FALSE(bytes.empty()) << page;
  return bytes;
}

Buffer one_record(size_t value_bytes) {
  const std::string value(value_bytes, 'v');
  record::BatchBuilder builder;
  builder.add({.timestamp = 1'700'000'000'000, .key = "k", .value = value});
  return builder.build();
}

TEST(Formats, TheExampleOfARecordBatch) {
  Buffer batch = one_record(1);
  record::stamp(batch.mutable_bytes(), Offset{0}, LeaderEpoch{2});
  EXPECT_EQ(batch.text(), example("record-batch.md", "## Example"));
}

TEST(Formats, TheExampleOfACheckpoint) {
  const std::string bytes = example("checkpoint.md", "## Example");
  const Result<log::Checkpoint> checkpoint = log::decode_checkpoint(Buffer::copy_of(bytes));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(log::encode(*checkpoint).text(), bytes);
  ASSERT_EQ(checkpoint->segments.size(), 1u);
  EXPECT_EQ(checkpoint->segments[0].next, Offset{3});
  EXPECT_EQ(checkpoint->segments[0].largest.last_offset, Offset{2});
  ASSERT_TRUE(checkpoint->saved);
  EXPECT_EQ(checkpoint->saved->at, Offset{3});
  EXPECT_EQ(checkpoint->saved->position, checkpoint->segments[0].size);
}

// The state in the example is one that a partition of this version takes.
TEST(Formats, TheExampleOfAPartitionsState) {
  const std::string bytes = example("checkpoint.md", "## Example");
  const Result<log::Checkpoint> checkpoint = log::decode_checkpoint(Buffer::copy_of(bytes));
  ASSERT_TRUE(checkpoint && checkpoint->saved);
  engine::MemoryImage image;
  image.exists = true;
  image.start = image.end = image.checkpoint_at = checkpoint->saved->at;
  image.checkpoint = checkpoint->saved->state;
  partition::CompactionSlot slot;
  partition::Partition partition("example-0", {}, std::make_unique<engine::MemoryEngine>(image),
                                 slot);
  port::Effects effects;
  std::vector<partition::Event> events;
  partition::Output out{effects, events};
  partition.open({Instant{0}, WallTime{0}}, engine::OpenMode::kExisting, LeaderEpoch{1}, out);
  EXPECT_EQ(partition.state(), partition::PartitionState::kOnline);
  EXPECT_EQ(partition.epochs().latest(), LeaderEpoch{1});
  EXPECT_EQ(partition.high_watermark(), Offset{3});
}

TEST(Formats, TheExamplesOfTheIndexes) {
  log::SegmentIndex index(Offset{0});
  log::LargestTimestamp largest;
  uint64_t position = 0;
  for (int64_t offset = 0; offset < 3; ++offset) {
    Buffer batch = one_record(5'000);
    record::stamp(batch.mutable_bytes(), Offset{offset}, LeaderEpoch{1});
    const record::BatchHeader header = record::parse_header(batch.bytes());
    largest.add(header);
    index.add(header, position, 4'096, largest);
    position += header.size_bytes();
  }
  const auto fresh = index.fresh_before(position);
  EXPECT_EQ(fresh.offsets.text(), example("index.md", "00000000000000000000.index"));
  EXPECT_EQ(fresh.times.text(), example("index.md", "00000000000000000000.timeindex"));
}

}  // namespace
}  // namespace magpie::server
