#include "wire/message_writer.h"

#include "base/check.h"
#include "wire/message_reader.h"

namespace magpie::wire {

void MessageWriter::write_uuid(const Uuid& value) {
  for (const uint8_t byte : value.bytes) out_.write_int8(static_cast<int8_t>(byte));
}

void MessageWriter::write_length(size_t length, int classic_bytes) {
  CHECK(length <= INT32_MAX);
  if (flexible_) return out_.write_unsigned_varint(static_cast<uint32_t>(length) + 1);
  if (classic_bytes == 2) return out_.write_int16(static_cast<int16_t>(length));
  out_.write_int32(static_cast<int32_t>(length));
}

void MessageWriter::write_null(int classic_bytes, bool nullable) {
  if (!nullable) return write_length(0, classic_bytes);
  if (flexible_) return out_.write_unsigned_varint(0);
  if (classic_bytes == 2) return out_.write_int16(-1);
  out_.write_int32(-1);
}

void MessageWriter::write_text(std::string_view value, bool compact) {
  value = value.substr(0, kMaximumStringBytes);
  if (compact) {
    out_.write_unsigned_varint(static_cast<uint32_t>(value.size()) + 1);
  } else {
    out_.write_int16(static_cast<int16_t>(value.size()));
  }
  out_.write_text(value);
}

void MessageWriter::write_string(const std::optional<std::string>& value, bool nullable) {
  if (!value.has_value()) return write_null(2, nullable);
  write_text(*value, flexible_);
}

void MessageWriter::write_classic_string(const std::optional<std::string>& value, bool nullable) {
  if (value.has_value()) return write_text(*value, false);
  out_.write_int16(nullable ? -1 : 0);
}

void MessageWriter::write_bytes(const Buffer& value) {
  write_length(value.size(), 4);
  out_.splice(value);
}

void MessageWriter::write_bytes(const std::optional<Buffer>& value, bool nullable) {
  if (!value.has_value()) return write_null(4, nullable);
  write_bytes(*value);
}

void MessageWriter::write_bytes(const std::optional<BufferChain>& value, bool nullable) {
  if (!value.has_value()) return write_null(4, nullable);
  write_length(size_of(*value), 4);
  for (const Buffer& piece : *value) out_.splice(piece);
}

void MessageWriter::write_array(const std::vector<int32_t>& value) {
  write_array_length(value.size());
  for (const int32_t element : value) out_.write_int32(element);
}

void MessageWriter::write_array(const std::vector<std::string>& value) {
  write_array_length(value.size());
  for (const std::string& element : value) write_string(element);
}

void MessageWriter::write_array(const std::optional<std::vector<int32_t>>& value, bool nullable) {
  if (!value.has_value()) return write_null_array(nullable);
  write_array(*value);
}

void MessageWriter::write_array(const std::optional<std::vector<std::string>>& value,
                                bool nullable) {
  if (!value.has_value()) return write_null_array(nullable);
  write_array(*value);
}

void MessageWriter::write_null_array(bool nullable) {
  write_null(4, nullable);
}

void MessageWriter::write_tagged_count(size_t count) {
  if (flexible_) out_.write_unsigned_varint(static_cast<uint32_t>(count));
}

void MessageWriter::write_tagged_field(uint32_t tag, ByteWriter& content) {
  out_.write_unsigned_varint(tag);
  out_.write_unsigned_varint(static_cast<uint32_t>(content.size()));
  for (const Buffer& piece : content.finish()) out_.splice(piece);
}

}  // namespace magpie::wire
