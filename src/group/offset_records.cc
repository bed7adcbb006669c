#include "group/offset_records.h"

#include <algorithm>
#include <utility>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/check.h"
#include "wire/group_metadata_key.h"
#include "wire/group_metadata_value.h"
#include "wire/offset_commit_key.h"
#include "wire/offset_commit_value.h"

namespace magpie::group {
namespace {

// The version of a key says what the record is about; 0 and 1 have the same layout.
constexpr int kPositionKey = 1;
constexpr int kGroupKey = 2;

constexpr int kPositionValueWithExpiry = 1;
constexpr int kPositionValue = 3;
constexpr int kGroupValue = 3;

template <typename Message>
Buffer encode_versioned(const Message& message, int version) {
  ByteWriter writer;
  writer.write_int16(static_cast<int16_t>(version));
  encode(writer, message, version);
  return flatten(writer.finish());
}

// --- to the wire's structures and back -----------------------------------------------------------

wire::OffsetCommitValue to_wire(const Position& position) {
  wire::OffsetCommitValue value;
  value.offset = position.offset.value;
  value.leader_epoch = position.leader_epoch.value;
  value.metadata = position.metadata;
  value.commit_timestamp = position.committed_at.millis;
  if (position.expires_at) value.expire_timestamp = position.expires_at->millis;
  return value;
}

Position from_wire(wire::OffsetCommitValue value) {
  Position position{Offset{value.offset}, LeaderEpoch{value.leader_epoch},
                    std::move(value.metadata), WallTime{value.commit_timestamp}, std::nullopt};
  if (value.expire_timestamp != -1) position.expires_at = WallTime{value.expire_timestamp};
  return position;
}

wire::GroupMetadataValue to_wire(const GroupMetadata& metadata) {
  wire::GroupMetadataValue value;
  value.protocol_type = metadata.protocol_type;
  value.generation = metadata.generation;
  value.protocol = metadata.protocol_name;
  value.leader = metadata.leader;
  value.current_state_timestamp = metadata.state_since_millis;
  for (const MemberMetadata& member : metadata.members) {
    value.members.push_back({member.member_id, member.instance_id, member.client_id,
                             member.client_host, member.rebalance_timeout_ms,
                             member.session_timeout_ms, member.subscription, member.assignment});
  }
  return value;
}

MemberMetadata from_wire(wire::GroupMetadataValueMember value) {
  // Before JoinGroup 1 there was one timeout for both.
  const int32_t rebalance_timeout =
      value.rebalance_timeout == -1 ? value.session_timeout : value.rebalance_timeout;
  // Bytes are copied, so that a member does not keep the read it came from in memory.
  return {std::move(value.member_id),
          std::move(value.group_instance_id),
          std::move(value.client_id),
          std::move(value.client_host),
          rebalance_timeout,
          value.session_timeout,
          Buffer::copy_of(value.subscription.bytes()),
          Buffer::copy_of(value.assignment.bytes())};
}

GroupMetadata from_wire(wire::GroupMetadataValue value) {
  GroupMetadata metadata{std::move(value.protocol_type), value.generation,
                         std::move(value.protocol),      std::move(value.leader),
                         value.current_state_timestamp,  {}};
  for (auto& member : value.members) metadata.members.push_back(from_wire(std::move(member)));
  return metadata;
}

// --- checks --------------------------------------------------------------------------------------

bool has_repeats(std::vector<std::string>& ids) {
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) != ids.end();
}

// What Group relies on when it is built from stored metadata.
bool is_consistent(const GroupMetadata& metadata) {
  if (metadata.members.empty()) return true;
  if (!metadata.protocol_name || !metadata.leader) return false;
  std::vector<std::string> member_ids;
  std::vector<std::string> instance_ids;
  for (const MemberMetadata& member : metadata.members) {
    member_ids.push_back(member.member_id);
    if (member.instance_id) instance_ids.push_back(*member.instance_id);
  }
  const auto leader = std::find(member_ids.begin(), member_ids.end(), *metadata.leader);
  if (leader == member_ids.end()) return false;
  return !has_repeats(member_ids) && !has_repeats(instance_ids);
}

tl::unexpected<Error> newer_version(const char* what, int version) {
  return fail(ErrorKind::kUnsupported, std::string("consumer offsets: ") + what + " version " +
                                           std::to_string(version) +
                                           " is not known; it was written by a newer release");
}

tl::unexpected<Error> malformed(const char* what, const std::string& group_id) {
  return fail(ErrorKind::kCorrupt,
              std::string("consumer offsets: malformed ") + what + " of group '" + group_id + "'");
}

// Reads a version and then the message, which must fill the bytes.
template <typename Message>
Result<Message> decode_value(const Buffer& bytes, const char* what, const std::string& group_id) {
  ByteReader reader(bytes);
  const int version = reader.read_int16();
  if (!reader.ok()) return malformed(what, group_id);
  if (version < Message::kLowestVersion || version > Message::kHighestVersion) {
    return newer_version(what, version);
  }
  Message message;
  if (!decode(reader, message, version) || reader.remaining() != 0) {
    return malformed(what, group_id);
  }
  return message;
}

Result<Change> decode_position(ByteReader& key, int version, const std::optional<Buffer>& value) {
  wire::OffsetCommitKey about;
  if (!decode(key, about, version) || key.remaining() != 0) return malformed("key", about.group);
  TopicPartition at{std::move(about.topic), about.partition};
  if (!value) return Change{std::move(about.group), PositionRemoved{std::move(at)}};
  auto position = decode_value<wire::OffsetCommitValue>(*value, "position", about.group);
  if (!position) return fail(position.error());
  return Change{std::move(about.group),
                PositionStored{std::move(at), from_wire(std::move(*position))}};
}

Result<Change> decode_group(ByteReader& key, const std::optional<Buffer>& value) {
  wire::GroupMetadataKey about;
  if (!decode(key, about, kGroupKey) || key.remaining() != 0) return malformed("key", about.group);
  if (!value) return Change{std::move(about.group), GroupRemoved{}};
  auto stored = decode_value<wire::GroupMetadataValue>(*value, "metadata", about.group);
  if (!stored) return fail(stored.error());
  GroupMetadata metadata = from_wire(std::move(*stored));
  if (!is_consistent(metadata)) return malformed("metadata", about.group);
  return Change{std::move(about.group), GroupStored{std::move(metadata)}};
}

}  // namespace

Record encode(const Change& change) {
  CHECK(change.group_id.size() <= kRecordStringBytes);
  const auto position_key = [&](const TopicPartition& at) {
    return encode_versioned(wire::OffsetCommitKey{change.group_id, at.topic, at.partition},
                            kPositionKey);
  };
  if (const auto* stored = std::get_if<PositionStored>(&change.what)) {
    const bool has_expiry = stored->position.expires_at.has_value();
    return {position_key(stored->at),
            encode_versioned(to_wire(stored->position),
                             has_expiry ? kPositionValueWithExpiry : kPositionValue)};
  }
  if (const auto* removed = std::get_if<PositionRemoved>(&change.what)) {
    return {position_key(removed->at), std::nullopt};
  }
  const Buffer group_key = encode_versioned(wire::GroupMetadataKey{change.group_id}, kGroupKey);
  if (const auto* stored = std::get_if<GroupStored>(&change.what)) {
    return {group_key, encode_versioned(to_wire(stored->metadata), kGroupValue)};
  }
  CHECK(std::holds_alternative<GroupRemoved>(change.what));
  return {group_key, std::nullopt};
}

Result<Change> decode(const Record& record) {
  ByteReader key(record.key);
  const int version = key.read_int16();
  if (!key.ok()) return malformed("key", "");
  if (version < wire::OffsetCommitKey::kLowestVersion || version > kGroupKey) {
    return newer_version("key", version);
  }
  if (version == kGroupKey) return decode_group(key, record.value);
  return decode_position(key, version, record.value);
}

}  // namespace magpie::group
