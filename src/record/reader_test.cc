#include "record/reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>

#include "record/builder.h"

namespace magpie::record {
namespace {

// A record that owns its bytes.
struct Owned {
  int64_t timestamp = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;

  bool operator==(const Owned&) const = default;
};

std::optional<std::string> text_or_null(const rc::Maybe<std::string>& text) {
  if (!text) return std::nullopt;
  return *text;
}

std::vector<Owned> read_all(const Buffer& batch) {
  Result<RecordReader> reader = RecordReader::open(batch);
  RC_ASSERT(reader.has_value());
  std::vector<Owned> all;
  while (true) {
    const auto record = reader->next();
    RC_ASSERT(record.has_value());
    if (!*record) return all;
    Owned owned{(*record)->timestamp, std::nullopt, std::nullopt, {}};
    if ((*record)->key) owned.key = std::string(*(*record)->key);
    if ((*record)->value) owned.value = std::string(*(*record)->value);
    const auto headers = read_headers(**record);
    RC_ASSERT(headers.has_value());
    for (const RecordHeader& header : *headers) {
      owned.headers.emplace_back(header.key, std::nullopt);
      if (header.value) owned.headers.back().second = std::string(*header.value);
    }
    RC_ASSERT((*record)->offset == Offset{static_cast<int64_t>(all.size())});
    all.push_back(std::move(owned));
  }
}

void add(BatchBuilder& builder, const Owned& record) {
  std::vector<RecordHeader> headers;
  for (const auto& [key, value] : record.headers) {
    headers.push_back({key, value ? std::optional<std::string_view>(*value) : std::nullopt});
  }
  builder.add(
      {.timestamp = record.timestamp,
       .key = record.key ? std::optional<std::string_view>(*record.key) : std::nullopt,
       .value = record.value ? std::optional<std::string_view>(*record.value) : std::nullopt,
       .headers = headers});
}

Owned any_record() {
  Owned record;
  record.timestamp = *rc::gen::inRange<int64_t>(-1, int64_t{1} << 45);
  const auto text = rc::gen::maybe(rc::gen::arbitrary<std::string>());
  record.key = text_or_null(*text);
  record.value = text_or_null(*text);
  const int headers = *rc::gen::inRange(0, 3);
  for (int i = 0; i < headers; ++i) {
    record.headers.emplace_back(*rc::gen::arbitrary<std::string>(), text_or_null(*text));
  }
  return record;
}

RC_GTEST_PROP(RecordReader, ReadsWhatTheBuilderWrote, (uint8_t codec)) {
  std::vector<Owned> records;
  const int count = *rc::gen::inRange(1, 20);
  for (int i = 0; i < count; ++i) records.push_back(any_record());
  BatchBuilder builder(static_cast<Codec>(codec % 5));
  for (const Owned& record : records) add(builder, record);
  const Buffer batch = builder.build();
  RC_ASSERT(checksum_matches(batch.bytes()));
  RC_ASSERT(read_all(batch) == records);
}

RC_GTEST_PROP(RecordReader, DamagedRecordsEndTheIteration, ()) {
  BatchBuilder builder;
  for (int i = 0; i < 3; ++i) builder.add({.timestamp = i, .key = "key", .value = "value"});
  Buffer batch = builder.build();
  const auto at = *rc::gen::inRange<size_t>(kBatchHeaderBytes, batch.size());
  batch.mutable_bytes()[at] = static_cast<std::byte>(*rc::gen::arbitrary<uint8_t>());
  Result<RecordReader> reader = RecordReader::open(batch);
  RC_ASSERT(reader.has_value());
  int records = 0;
  while (true) {
    const auto record = reader->next();
    if (!record || !*record) break;
    const auto headers = read_headers(**record);
    RC_ASSERT(headers.has_value());
    ++records;
  }
  RC_ASSERT(records <= 3);
}

TEST(RecordReader, SecondBatchOfABuilderContinuesTheSequence) {
  BatchBuilder builder;
  builder.set_producer({1}, {0}, INT32_MAX);
  builder.add({.timestamp = 1, .value = "a"});
  EXPECT_EQ(parse_header(builder.build().bytes()).base_sequence, INT32_MAX);
  builder.add({.timestamp = 2, .value = "b"});
  EXPECT_EQ(parse_header(builder.build().bytes()).base_sequence, 0);
}

TEST(RecordReader, LeftOverBytesAreDamage) {
  BatchBuilder builder;
  builder.add({.timestamp = 1, .value = "a"});
  const Buffer batch = builder.build();
  BatchHeader header = parse_header(batch.bytes());
  const Buffer records = batch.slice(kBatchHeaderBytes, batch.size() - kBatchHeaderBytes);
  Result<RecordReader> reader =
      RecordReader::open(assemble(header, flatten({records, Buffer::copy_of("xx")})));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->next());
  EXPECT_FALSE(reader->next());
}

TEST(RecordReader, RefusesABatchThatIsNotWhole) {
  BatchBuilder builder;
  builder.add({.timestamp = 1, .value = "a"});
  const Buffer batch = builder.build();
  EXPECT_FALSE(RecordReader::open(batch.slice(0, batch.size() - 1)));
  EXPECT_FALSE(RecordReader::open(batch.slice(0, 60)));
}

TEST(RecordReader, UnpacksNoMoreThanAllowed) {
  BatchBuilder builder(Codec::kZstd);
  builder.add({.timestamp = 1, .value = std::string(100'000, 'z')});
  const Result<RecordReader> reader = RecordReader::open(builder.build(), 50'000);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, ErrorKind::kLimit);
}

}  // namespace
}  // namespace magpie::record
