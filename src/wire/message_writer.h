// Writing the field types of Kafka messages; used by the generated encoders only. The counterpart
// of message_reader.h.
//
// A version that cannot say null gets an empty string, array or byte run instead. A string longer
// than kMaximumStringBytes, which only a text of our own could be, is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/byte_writer.h"
#include "base/uuid.h"
#include "wire/error_code.h"

namespace magpie::wire {

class MessageWriter {
 public:
  MessageWriter(ByteWriter& out, int version, bool flexible)
      : out_(out), version_(version), flexible_(flexible) {}

  int version() const { return version_; }
  bool flexible() const { return flexible_; }

  void write_bool(bool value) { out_.write_int8(value ? 1 : 0); }
  void write_int8(int8_t value) { out_.write_int8(value); }
  void write_int16(int16_t value) { out_.write_int16(value); }
  void write_int32(int32_t value) { out_.write_int32(value); }
  void write_int64(int64_t value) { out_.write_int64(value); }
  void write_error_code(ErrorCode value) { out_.write_int16(static_cast<int16_t>(value)); }
  void write_uuid(const Uuid& value);

  // `nullable` says whether this version can say null.
  void write_string(std::string_view value) { write_text(value, flexible_); }
  void write_string(const std::optional<std::string>& value, bool nullable);
  void write_classic_string(const std::optional<std::string>& value, bool nullable);
  // Large pieces are linked into the output, not copied.
  void write_bytes(const Buffer& value);
  void write_bytes(const std::optional<Buffer>& value, bool nullable);
  void write_bytes(const std::optional<BufferChain>& value, bool nullable);

  void write_array(const std::vector<int32_t>& value);
  void write_array(const std::vector<std::string>& value);
  void write_array(const std::optional<std::vector<int32_t>>& value, bool nullable);
  void write_array(const std::optional<std::vector<std::string>>& value, bool nullable);

  void write_array_length(size_t count) { write_length(count, 4); }
  // The length of an array that is null.
  void write_null_array(bool nullable);

  void write_struct_present(bool present) { out_.write_int8(present ? 1 : -1); }

  // Tagged fields: their number, then each in ascending order of tags. Nothing at all is written
  // in versions that are not flexible.
  void write_tagged_count(size_t count);
  // `content` holds the encoded field.
  void write_tagged_field(uint32_t tag, ByteWriter& content);

 private:
  void write_length(size_t length, int classic_bytes);
  void write_null(int classic_bytes, bool nullable);
  void write_text(std::string_view value, bool compact);

  ByteWriter& out_;
  int version_;
  bool flexible_;
};

}  // namespace magpie::wire
