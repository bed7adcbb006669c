#include "wire/message_reader.h"

#include <utility>

namespace magpie::wire {

Uuid MessageReader::read_uuid() {
  Uuid id;
  const std::string_view text = in_.read_text(id.bytes.size());
  for (size_t i = 0; i < text.size(); ++i) id.bytes[i] = static_cast<uint8_t>(text[i]);
  return id;
}

std::optional<size_t> MessageReader::read_length(bool compact, int classic_bytes, bool nullable) {
  int64_t length = 0;
  if (compact) {
    length = static_cast<int64_t>(in_.read_unsigned_varint()) - 1;
  } else {
    length = classic_bytes == 2 ? in_.read_int16() : in_.read_int32();
  }
  if (!in_.ok()) return std::nullopt;
  if (length == -1 && nullable) return std::nullopt;
  if (length < 0) {
    in_.set_failed();
    return std::nullopt;
  }
  return static_cast<size_t>(length);
}

std::optional<std::string> MessageReader::read_text(bool compact, bool nullable) {
  const std::optional<size_t> length = read_length(compact, 2, nullable);
  if (!length.has_value()) return std::nullopt;
  if (*length > kMaximumStringBytes) in_.set_failed();
  return std::string(in_.read_text(*length));
}

void MessageReader::read_string(std::string& value) {
  value = read_text(flexible_, false).value_or(std::string());
}

void MessageReader::read_string(std::optional<std::string>& value, bool nullable) {
  value = read_text(flexible_, nullable);
}

void MessageReader::read_classic_string(std::optional<std::string>& value, bool nullable) {
  value = read_text(false, nullable);
}

void MessageReader::read_bytes(Buffer& value) {
  const std::optional<size_t> length = read_length(flexible_, 4, false);
  value = length.has_value() ? in_.read_buffer(*length) : Buffer();
}

void MessageReader::read_bytes(std::optional<Buffer>& value, bool nullable) {
  const std::optional<size_t> length = read_length(flexible_, 4, nullable);
  value.reset();
  if (length.has_value()) value = in_.read_buffer(*length);
}

void MessageReader::read_bytes(std::optional<BufferChain>& value, bool nullable) {
  std::optional<Buffer> whole;
  read_bytes(whole, nullable);
  value.reset();
  if (!whole.has_value()) return;
  value.emplace();
  if (!whole->empty()) value->push_back(*std::move(whole));
}

std::optional<size_t> MessageReader::read_array_length(size_t element_bytes, bool nullable) {
  const std::optional<size_t> count = read_length(flexible_, 4, nullable);
  if (!count.has_value()) return std::nullopt;
  if (*count > in_.remaining() / element_bytes || *count > elements_left_) {
    in_.set_failed();
    return std::nullopt;
  }
  elements_left_ -= *count;
  return count;
}

size_t MessageReader::read_array_length(size_t element_bytes) {
  return read_array_length(element_bytes, false).value_or(0);
}

void MessageReader::read_array(std::vector<int32_t>& value) {
  value.resize(read_array_length(sizeof(int32_t)));
  for (int32_t& element : value) element = in_.read_int32();
}

void MessageReader::read_array(std::vector<std::string>& value) {
  value.resize(read_array_length(flexible_ ? 1 : 2));
  for (std::string& element : value) read_string(element);
}

void MessageReader::read_array(std::optional<std::vector<int32_t>>& value, bool nullable) {
  const std::optional<size_t> count = read_array_length(sizeof(int32_t), nullable);
  value.reset();
  if (!count.has_value()) return;
  for (int32_t& element : value.emplace(*count)) element = in_.read_int32();
}

void MessageReader::read_array(std::optional<std::vector<std::string>>& value, bool nullable) {
  const std::optional<size_t> count = read_array_length(flexible_ ? 1 : 2, nullable);
  value.reset();
  if (!count.has_value()) return;
  for (std::string& element : value.emplace(*count)) read_string(element);
}

bool MessageReader::read_struct_present(bool nullable) {
  const bool present = in_.read_int8() >= 0;
  if (!present && !nullable) in_.set_failed();
  return present && in_.ok();
}

void MessageReader::skip_tagged_fields() {
  for (TaggedFields tagged(*this); tagged.next();) tagged.skip();
}

TaggedFields::TaggedFields(MessageReader& reader) : reader_(reader) {
  if (reader.flexible()) left_ = reader.in_.read_unsigned_varint();
  end_ = reader.in_.position();
}

bool TaggedFields::next() {
  ByteReader& in = reader_.in_;
  if (in.position() != end_) in.set_failed();
  if (!in.ok() || left_ == 0) return false;
  --left_;
  tag_ = in.read_unsigned_varint();
  const size_t size = in.read_unsigned_varint();
  if (size > in.remaining()) in.set_failed();
  end_ = in.position() + size;
  return in.ok();
}

void TaggedFields::skip() {
  reader_.in_.skip(end_ - reader_.in_.position());
}

}  // namespace magpie::wire
