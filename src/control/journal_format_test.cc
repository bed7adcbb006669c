#include "control/journal_format.h"

#include <gtest/gtest.h>

#include <set>

#include "base/crc32c.h"
#include "control/test_support.h"

namespace magpie::control {
namespace {

using testing::random_history;

constexpr char kPath[] = "control/journal";
constexpr char kCluster[] = "bridge";

struct Written {
  std::string bytes;
  std::vector<State> states;  // after the header, after each record
  std::vector<size_t> ends;   // where the header and each record end
};

Written write_journal(const std::vector<Transaction>& history) {
  Written written;
  State state;
  written.bytes = encode_journal_header(kCluster).text();
  written.states.push_back(state);
  written.ends.push_back(written.bytes.size());
  for (const Transaction& transaction : history) {
    EXPECT_TRUE(state.apply(state.revision() + 1, transaction.changes));
    written.bytes += encode_journal_record(state.revision(), transaction.changes).text();
    written.states.push_back(state);
    written.ends.push_back(written.bytes.size());
  }
  return written;
}

Result<RecoveredJournal> recover(const std::string& bytes) {
  return recover_journal(kPath, Buffer::copy_of(bytes), kCluster);
}

std::string flip(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  return bytes;
}

void expect_refused(const std::string& bytes, ErrorKind kind, const std::string& part) {
  const auto recovered = recover(bytes);
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().kind, kind) << recovered.error().message;
  EXPECT_NE(recovered.error().message.find(part), std::string::npos) << recovered.error().message;
  EXPECT_TRUE(recovered.error().message.starts_with(kPath)) << recovered.error().message;
}

// The example in docs/formats/metadata-journal.md.
TEST(JournalFormat, IsAsDocumented) {
  const std::vector<Change> changes = {{"epochs/next", R"({"next":2,"v":1})"},
                                       {"old", std::nullopt}};
  const std::string record(encode_journal_record(5, changes).text());
  const std::string body = std::string("\0\0\0\0\0\0\0\5", 8) + "\2" + "\1\xb" + "epochs/next" +
                           "\x10" + R"({"next":2,"v":1})" + "\2\3old" + "\n";
  ASSERT_EQ(record.size(), kRecordFrameBytes + body.size());
  EXPECT_EQ(record.substr(0, 8), std::string("MJR\1\0\0\0", 7) + static_cast<char>(body.size()));
  EXPECT_EQ(record.substr(8, 4), "\xb1\x86\x63\xc3");
  EXPECT_EQ(record.substr(12), body);
  const std::string header(encode_journal_header("bridge").text());
  EXPECT_EQ(header.substr(0, 28),
            "MAGPIEMJ" + std::string("\0\0\0\2\0\6", 6) + "bridge" + std::string(8, '\0'));
  EXPECT_EQ(header.size(), 32u);
}

TEST(JournalFormat, ReplaysToTheLiveState) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto [live, history] = random_history(seed, 100);
    const auto recovered = recover(write_journal(history).bytes);
    ASSERT_TRUE(recovered) << recovered.error().message;
    EXPECT_EQ(recovered->state, live);
    EXPECT_EQ(recovered->state.topics(), live.topics());
    EXPECT_EQ(recovered->torn_bytes, 0u);
  }
}

TEST(JournalFormat, ARewrittenJournalReplaysToTheSameState) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto [live, history] = random_history(seed, 100);
    const std::string rewritten(flatten(encode_journal(kCluster, live)).text());
    const auto recovered = recover(rewritten);
    ASSERT_TRUE(recovered) << recovered.error().message;
    EXPECT_EQ(recovered->state, live);
    EXPECT_EQ(flatten(encode_journal(kCluster, recovered->state)).text(), rewritten);
    EXPECT_LT(rewritten.size(), write_journal(history).bytes.size());
  }
}

TEST(JournalFormat, ACutLeavesThePrefix) {
  const auto [live, history] = random_history(4, 40);
  const Written written = write_journal(history);
  size_t records = 0;
  for (size_t length = written.ends.front(); length <= written.bytes.size(); ++length) {
    while (records + 1 < written.ends.size() && written.ends[records + 1] <= length) ++records;
    const auto recovered = recover(written.bytes.substr(0, length));
    ASSERT_TRUE(recovered) << "cut at " << length << ": " << recovered.error().message;
    ASSERT_EQ(recovered->state, written.states[records]) << "cut at " << length;
    ASSERT_EQ(recovered->valid_bytes, written.ends[records]);
    ASSERT_EQ(recovered->torn_bytes, length - written.ends[records]);
  }
  EXPECT_EQ(records, history.size());
}

TEST(JournalFormat, ACutHeaderIsDamage) {
  const std::string header(encode_journal_header(kCluster).text());
  for (size_t length = 0; length < header.size(); ++length) {
    expect_refused(header.substr(0, length), ErrorKind::kCorrupt, "byte 0");
  }
}

// Whole sectors of an unsynced write can be missing while later ones are there. Wherever the record
// begins in its first one: also where that ends within the magic.
TEST(JournalFormat, AMissingSectorOfTheLastRecordIsATornEnd) {
  const auto history = random_history(4, 10).second;
  const auto padded = [](char with, size_t bytes) {
    return R"({"v":1,"x":")" + std::string(bytes, with) + "\"}";
  };
  std::set<size_t> places;
  for (size_t padding = 0; padding < 512; ++padding) {
    Written written = write_journal(history);
    const auto revision = static_cast<Revision>(history.size()) + 1;
    const std::vector<Change> before = {{"future/padding", padded('p', 200 + padding)}};
    written.bytes += encode_journal_record(revision, before).text();
    const size_t start = written.bytes.size();
    written.bytes +=
        encode_journal_record(revision + 1, {{"future/key", padded('y', 1'500)}}).text();
    ASSERT_TRUE(recover(written.bytes));
    places.insert(start % 512);
    for (size_t sector = start / 512; sector * 512 < written.bytes.size(); ++sector) {
      std::string torn = written.bytes;
      const size_t end = std::min(torn.size(), (sector + 1) * 512);
      for (size_t at = std::max(start, sector * 512); at < end; ++at) torn[at] = 0;
      const auto recovered = recover(torn);
      ASSERT_TRUE(recovered) << start << ", " << sector << ": " << recovered.error().message;
      EXPECT_EQ(recovered->state.revision(), revision);
      EXPECT_EQ(recovered->valid_bytes, start);
    }
  }
  EXPECT_EQ(places.size(), 512u);
}

// No single flipped bit opens, wherever it is: not even in the last record, because a torn write
// does not look like that.
TEST(JournalFormat, RefusesEveryFlippedBit) {
  const Written written = write_journal(random_history(9, 12).second);
  ASSERT_GT(written.ends.size(), 4u);
  for (size_t bit = 0; bit < written.bytes.size() * 8; ++bit) {
    const auto recovered = recover(flip(written.bytes, bit));
    ASSERT_FALSE(recovered) << "bit " << bit % 8 << " of byte " << bit / 8;
    ASSERT_EQ(recovered.error().kind, ErrorKind::kCorrupt) << recovered.error().message;
  }
}

// Damage and an interrupted write together: the write may hide damage to its own record only.
TEST(JournalFormat, DoesNotTakeDamageForPartOfATornEnd) {
  const Written written = write_journal(random_history(9, 12).second);
  const size_t last = written.ends[written.ends.size() - 2];
  for (const size_t kept : {1, 3, 12, 20}) {
    for (const bool zeros : {false, true}) {
      std::string torn = written.bytes.substr(0, last + kept);
      if (zeros) torn += std::string(600, '\0');
      ASSERT_EQ(recover(torn)->valid_bytes, last);
      for (size_t bit = 0; bit < last * 8; ++bit) {
        ASSERT_FALSE(recover(flip(torn, bit))) << "bit " << bit << ", kept " << kept;
      }
    }
  }
}

TEST(JournalFormat, SaysWhereTheDamageIs) {
  const Written written = write_journal(random_history(9, 12).second);
  const size_t place = written.ends[1];
  expect_refused(flip(written.bytes, (place + 20) * 8), ErrorKind::kCorrupt,
                 "byte " + std::to_string(place));
}

TEST(JournalFormat, RefusesAMissingRecordInTheMiddle) {
  const Written written = write_journal(random_history(9, 30).second);
  std::string zeroed = written.bytes;
  for (size_t at = written.ends[1]; at < written.ends[2]; ++at) zeroed[at] = 0;
  expect_refused(zeroed, ErrorKind::kCorrupt, "a whole one follows");
}

TEST(JournalFormat, RefusesNewerVersions) {
  std::string record(encode_journal_record(1, {}).text());
  record[3] = 2;
  const std::string body = record.substr(0, 8) + record.substr(12);
  const uint32_t crc = crc32c(std::as_bytes(std::span(body.data(), body.size())));
  for (int i = 0; i < 4; ++i) record[8 + i] = static_cast<char>(crc >> (24 - 8 * i));
  const std::string header(encode_journal_header(kCluster).text());
  expect_refused(header + record, ErrorKind::kUnsupported, "version 2");

  std::string newer = header.substr(0, header.size() - 4);
  newer[11] = 9;
  const uint32_t newer_crc = crc32c(std::as_bytes(std::span(newer.data(), newer.size())));
  for (int i = 0; i < 4; ++i) newer += static_cast<char>(newer_crc >> (24 - 8 * i));
  expect_refused(newer, ErrorKind::kUnsupported, "version 9");

  const std::string value = R"({"v":2,"next":9})";
  expect_refused(header + std::string(encode_journal_record(1, {{"epochs/next", value}}).text()),
                 ErrorKind::kUnsupported, "epochs/next");
}

TEST(JournalFormat, RefusesAnotherClustersJournal) {
  expect_refused(std::string(encode_journal_header("river").text()), ErrorKind::kInvalidArgument,
                 "belongs to cluster 'river'");
}

TEST(JournalFormat, RefusesRecordsThatContradictEachOther) {
  const std::string header(encode_journal_header(kCluster).text());
  const std::string twice(encode_journal_record(1, {}).text());
  expect_refused(header + twice + twice, ErrorKind::kCorrupt, "revision 1 follows revision 1");
}

}  // namespace
}  // namespace magpie::control
