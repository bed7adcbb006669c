#include "group/offset_records.h"

#include <algorithm>
#include <utility>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/check.h"

namespace magpie::group {
namespace {

// Key versions say what the record is about; both position versions have the same layout.
constexpr int16_t kPositionKeyOld = 0;
constexpr int16_t kPositionKey = 1;
constexpr int16_t kGroupKey = 2;

constexpr int16_t kPositionValueWithExpiry = 1;
constexpr int16_t kPositionValue = 3;
constexpr int16_t kGroupValue = 3;
constexpr int16_t kNewestValue = 4;  // the first with compact strings and tagged fields

void write_string(ByteWriter& writer, std::string_view text) {
  CHECK(text.size() <= kRecordStringBytes);
  writer.write_int16(static_cast<int16_t>(text.size()));
  writer.write_text(text);
}

void write_string(ByteWriter& writer, const std::optional<std::string>& text) {
  if (text) {
    write_string(writer, std::string_view(*text));
  } else {
    writer.write_int16(-1);
  }
}

void write_bytes(ByteWriter& writer, const Buffer& bytes) {
  writer.write_int32(static_cast<int32_t>(bytes.size()));
  writer.write_bytes(bytes.bytes());
}

Buffer finish(ByteWriter& writer) {
  return flatten(writer.finish());
}

Buffer position_key(const std::string& group_id, const TopicPartition& at) {
  ByteWriter writer;
  writer.write_int16(kPositionKey);
  write_string(writer, std::string_view(group_id));
  write_string(writer, std::string_view(at.topic));
  writer.write_int32(at.partition);
  return finish(writer);
}

Buffer group_key(const std::string& group_id) {
  ByteWriter writer;
  writer.write_int16(kGroupKey);
  write_string(writer, std::string_view(group_id));
  return finish(writer);
}

Buffer position_value(const Position& position) {
  const bool has_expiry = position.expires_at.has_value();
  ByteWriter writer;
  writer.write_int16(has_expiry ? kPositionValueWithExpiry : kPositionValue);
  writer.write_int64(position.offset.value);
  if (!has_expiry) writer.write_int32(position.leader_epoch.value);
  write_string(writer, std::string_view(position.metadata));
  writer.write_int64(position.committed_at.millis);
  if (has_expiry) writer.write_int64(position.expires_at->millis);
  return finish(writer);
}

Buffer group_value(const GroupMetadata& metadata) {
  ByteWriter writer;
  writer.write_int16(kGroupValue);
  write_string(writer, std::string_view(metadata.protocol_type));
  writer.write_int32(metadata.generation);
  write_string(writer, metadata.protocol_name);
  write_string(writer, metadata.leader);
  writer.write_int64(metadata.state_since_millis);
  writer.write_int32(static_cast<int32_t>(metadata.members.size()));
  for (const MemberMetadata& member : metadata.members) {
    write_string(writer, std::string_view(member.member_id));
    write_string(writer, member.instance_id);
    write_string(writer, std::string_view(member.client_id));
    write_string(writer, std::string_view(member.client_host));
    writer.write_int32(member.rebalance_timeout_ms);
    writer.write_int32(member.session_timeout_ms);
    write_bytes(writer, member.subscription);
    write_bytes(writer, member.assignment);
  }
  return finish(writer);
}

// Reads the fields of one value; version 4 differs in how lengths are written and in the tagged
// fields that end each struct.
class ValueReader {
 public:
  explicit ValueReader(const Buffer& value) : reader_(value), version_(reader_.read_int16()) {}

  int16_t version() const { return version_; }
  int32_t read_int32() { return reader_.read_int32(); }
  int64_t read_int64() { return reader_.read_int64(); }

  std::optional<std::string> read_nullable_string() {
    const int64_t length = flexible() ? compact_length() : reader_.read_int16();
    if (length < 0) return std::nullopt;
    return std::string(reader_.read_text(static_cast<size_t>(length)));
  }
  std::string read_string() {
    std::optional<std::string> text = read_nullable_string();
    if (!text) reader_.set_failed();
    return text.value_or("");
  }
  // Copied, so that a small piece does not keep a whole segment read alive.
  Buffer read_bytes() {
    const int64_t length = flexible() ? compact_length() : reader_.read_int32();
    if (length < 0) reader_.set_failed();
    return Buffer::copy_of(reader_.read_text(length < 0 ? 0 : static_cast<size_t>(length)));
  }
  // Every member takes more than one byte, so a count beyond the bytes left is malformed.
  size_t read_count() {
    const int64_t count = flexible() ? compact_length() : reader_.read_int32();
    if (count < 0 || static_cast<uint64_t>(count) > reader_.remaining()) reader_.set_failed();
    return reader_.ok() ? static_cast<size_t>(count) : 0;
  }
  void skip_tagged_fields() {
    if (!flexible()) return;
    const uint32_t count = reader_.read_unsigned_varint();
    for (uint32_t i = 0; i < count && reader_.ok(); ++i) {
      reader_.read_unsigned_varint();  // the tag
      reader_.skip(reader_.read_unsigned_varint());
    }
  }
  bool ok() const { return reader_.ok(); }
  bool finished() const { return reader_.ok() && reader_.remaining() == 0; }

 private:
  bool flexible() const { return version_ >= 4; }
  int64_t compact_length() { return static_cast<int64_t>(reader_.read_unsigned_varint()) - 1; }

  ByteReader reader_;
  int16_t version_;
};

bool version_is_known(const ValueReader& reader) {
  return reader.version() >= 0 && reader.version() <= kNewestValue;
}

tl::unexpected<Error> newer_version(const char* what, int16_t version) {
  return fail(ErrorKind::kUnsupported, std::string("consumer offsets: ") + what + " version " +
                                           std::to_string(version) +
                                           " is not known; it was written by a newer release");
}

tl::unexpected<Error> malformed(const char* what, const std::string& group_id) {
  return fail(ErrorKind::kCorrupt,
              std::string("consumer offsets: malformed ") + what + " of group '" + group_id + "'");
}

Result<Position> decode_position(const Buffer& value, const std::string& group_id) {
  ValueReader reader(value);
  if (reader.ok() && !version_is_known(reader)) {
    return newer_version("position value", reader.version());
  }
  Position position;
  position.offset = Offset{reader.read_int64()};
  if (reader.version() >= 3) position.leader_epoch = LeaderEpoch{reader.read_int32()};
  position.metadata = reader.read_string();
  position.committed_at = WallTime{reader.read_int64()};
  if (reader.version() == kPositionValueWithExpiry) {
    const int64_t expires_at = reader.read_int64();
    if (expires_at != -1) position.expires_at = WallTime{expires_at};
  }
  reader.skip_tagged_fields();
  if (!reader.finished()) return malformed("position", group_id);
  return position;
}

MemberMetadata decode_member(ValueReader& reader) {
  MemberMetadata member;
  member.member_id = reader.read_string();
  if (reader.version() >= 3) member.instance_id = reader.read_nullable_string();
  member.client_id = reader.read_string();
  member.client_host = reader.read_string();
  const int32_t rebalance_timeout_ms = reader.version() >= 1 ? reader.read_int32() : -1;
  member.session_timeout_ms = reader.read_int32();
  // Before JoinGroup 1 there was one timeout for both.
  member.rebalance_timeout_ms =
      rebalance_timeout_ms == -1 ? member.session_timeout_ms : rebalance_timeout_ms;
  member.subscription = reader.read_bytes();
  member.assignment = reader.read_bytes();
  reader.skip_tagged_fields();
  return member;
}

bool is_consistent(const GroupMetadata& metadata) {
  if (metadata.members.empty()) return true;
  if (!metadata.protocol_name || !metadata.leader) return false;
  const auto has_id = [&](const MemberMetadata& m) { return m.member_id == *metadata.leader; };
  if (std::none_of(metadata.members.begin(), metadata.members.end(), has_id)) return false;
  std::vector<std::string> member_ids;
  std::vector<std::string> instance_ids;
  for (const MemberMetadata& member : metadata.members) {
    member_ids.push_back(member.member_id);
    if (member.instance_id) instance_ids.push_back(*member.instance_id);
  }
  const auto has_repeats = [](std::vector<std::string>& ids) {
    std::sort(ids.begin(), ids.end());
    return std::adjacent_find(ids.begin(), ids.end()) != ids.end();
  };
  return !has_repeats(member_ids) && !has_repeats(instance_ids);
}

Result<GroupMetadata> decode_group(const Buffer& value, const std::string& group_id) {
  ValueReader reader(value);
  if (reader.ok() && !version_is_known(reader)) {
    return newer_version("group value", reader.version());
  }
  GroupMetadata metadata;
  metadata.protocol_type = reader.read_string();
  metadata.generation = reader.read_int32();
  metadata.protocol_name = reader.read_nullable_string();
  metadata.leader = reader.read_nullable_string();
  if (reader.version() >= 2) metadata.state_since_millis = reader.read_int64();
  const size_t count = reader.read_count();
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    metadata.members.push_back(decode_member(reader));
  }
  reader.skip_tagged_fields();
  if (!reader.finished() || !is_consistent(metadata)) return malformed("metadata", group_id);
  return metadata;
}

}  // namespace

Record encode(const Change& change) {
  const std::string& group_id = change.group_id;
  if (const auto* stored = std::get_if<PositionStored>(&change.what)) {
    return {position_key(group_id, stored->at), position_value(stored->position)};
  }
  if (const auto* removed = std::get_if<PositionRemoved>(&change.what)) {
    return {position_key(group_id, removed->at), std::nullopt};
  }
  if (const auto* stored = std::get_if<GroupStored>(&change.what)) {
    return {group_key(group_id), group_value(stored->metadata)};
  }
  CHECK(std::holds_alternative<GroupRemoved>(change.what));
  return {group_key(group_id), std::nullopt};
}

Result<Change> decode(const Record& record) {
  ByteReader key(record.key);
  const int16_t version = key.read_int16();
  if (key.ok() && (version < kPositionKeyOld || version > kGroupKey)) {
    return newer_version("key", version);
  }
  const auto read_string = [&key] {
    const int16_t length = key.read_int16();
    if (length < 0) key.set_failed();
    return std::string(key.read_text(length < 0 ? 0 : static_cast<size_t>(length)));
  };
  Change change;
  change.group_id = read_string();
  TopicPartition at;
  if (version != kGroupKey) {
    at.topic = read_string();
    at.partition = key.read_int32();
  }
  if (!key.ok() || key.remaining() != 0) return malformed("key", change.group_id);

  if (version == kGroupKey && record.value) {
    Result<GroupMetadata> metadata = decode_group(*record.value, change.group_id);
    if (!metadata) return fail(metadata.error());
    change.what = GroupStored{std::move(*metadata)};
  } else if (version == kGroupKey) {
    change.what = GroupRemoved{};
  } else if (record.value) {
    Result<Position> position = decode_position(*record.value, change.group_id);
    if (!position) return fail(position.error());
    change.what = PositionStored{std::move(at), std::move(*position)};
  } else {
    change.what = PositionRemoved{std::move(at)};
  }
  return change;
}

}  // namespace magpie::group
