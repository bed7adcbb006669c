// Reading the field types of Kafka messages; used by the generated decoders only.
//
// The problem: each type has a classic form and, since KIP-482, a compact ("flexible") one; lengths
// come from strangers. The idea: the reader knows version and form, so a decoder just names its
// fields. The guarantee: it never allocates more than the bytes that are really there can justify,
// and refuses a message with more array elements than kMaximumElements. It does not judge values:
// an unknown error code or an empty topic name passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/byte_reader.h"
#include "base/uuid.h"
#include "wire/error_code.h"

namespace magpie::wire {

// Array elements in one message, nested ones included. An empty string takes one byte on the wire
// and thirty-two in memory; this bounds what a frame of the largest size can grow to. Beyond it
// decoding fails.
inline constexpr size_t kMaximumElements = 1'000'000;

// Longest string in either form, as in Kafka: the classic form cannot say more.
inline constexpr size_t kMaximumStringBytes = 32'767;

class MessageReader {
 public:
  // `flexible`: the version uses compact lengths and ends each structure with tagged fields.
  MessageReader(ByteReader& in, int version, bool flexible)
      : in_(in), version_(version), flexible_(flexible) {}

  int version() const { return version_; }
  bool flexible() const { return flexible_; }
  bool ok() const { return in_.ok(); }

  bool read_bool() { return in_.read_int8() != 0; }
  int8_t read_int8() { return in_.read_int8(); }
  int16_t read_int16() { return in_.read_int16(); }
  int32_t read_int32() { return in_.read_int32(); }
  int64_t read_int64() { return in_.read_int64(); }
  ErrorCode read_error_code() { return static_cast<ErrorCode>(in_.read_int16()); }
  Uuid read_uuid();

  // The plain forms fail on null. The others store null as nullopt if `nullable`, which says
  // whether this version allows it, and fail otherwise.
  void read_string(std::string& value);
  void read_string(std::optional<std::string>& value, bool nullable);
  // Always with a two-byte length, whatever the version (request header, KIP-482).
  void read_classic_string(std::optional<std::string>& value, bool nullable);
  // Slices of the frame: nothing is copied.
  void read_bytes(Buffer& value);
  void read_bytes(std::optional<Buffer>& value, bool nullable);
  void read_bytes(std::optional<BufferChain>& value, bool nullable);

  void read_array(std::vector<int32_t>& value);
  void read_array(std::vector<std::string>& value);
  void read_array(std::optional<std::vector<int32_t>>& value, bool nullable);
  void read_array(std::optional<std::vector<std::string>>& value, bool nullable);

  // Number of elements that follow, each of which takes at least `element_bytes`. Zero after a
  // failure. Null fails, or gives nullopt if `nullable`.
  size_t read_array_length(size_t element_bytes);
  std::optional<size_t> read_array_length(size_t element_bytes, bool nullable);

  // A structure that may be null is preceded by one byte: negative for null. Returns true if the
  // structure follows.
  bool read_struct_present(bool nullable);

  // Consumes the tagged fields of a structure that knows none.
  void skip_tagged_fields();

 private:
  friend class TaggedFields;

  // Length of a string or byte field; nullopt for null, which fails unless `nullable`.
  std::optional<size_t> read_length(bool compact, int classic_bytes, bool nullable);
  std::optional<std::string> read_text(bool compact, bool nullable);

  ByteReader& in_;
  int version_;
  bool flexible_;
  size_t elements_left_ = kMaximumElements;
};

// Walks the tagged fields at the end of a structure:
//
//   for (TaggedFields tagged(in); tagged.next();) {
//     if (tagged.tag() == 0) value.rack = …; else tagged.skip();
//   }
//
// A field whose content is longer or shorter than it says fails the message.
class TaggedFields {
 public:
  // In versions that are not flexible there are none.
  explicit TaggedFields(MessageReader& reader);

  // Moves to the next field; false at the end and after a failure.
  bool next();
  uint32_t tag() const { return tag_; }
  void skip();

 private:
  MessageReader& reader_;
  uint32_t left_ = 0;
  uint32_t tag_ = 0;
  size_t end_ = 0;  // where the present field must end
};

}  // namespace magpie::wire
