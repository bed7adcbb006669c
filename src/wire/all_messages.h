// All messages as one table, for tests and fuzzers that treat every message alike. Not part of the
// broker. The table and the `fill` and `visit` functions behind it are generated.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/buffer.h"
#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "base/random.h"
#include "wire/api_table.h"
#include "wire/field_visitor.h"

namespace magpie::wire {

// Elements of an array in a random instance.
inline constexpr int kMostElements = 3;

struct MessageEntry {
  const char* name;
  int lowest_version;
  int highest_version;
  int flexible_from;    // kNeverFlexible if there is none
  int16_t request_key;  // API key if this is a request, else -1

  // An instance with defaults only, encoded in `version`.
  Buffer (*default_bytes)(int version);
  // A random instance with all fields that version `filled` has, encoded in `version`.
  Buffer (*random_bytes)(Random& random, int filled, int version);
  // True if a random instance with all fields of `version` comes back equal, using all bytes.
  bool (*survives)(Random& random, int version);
  // Decodes and encodes again; nothing if the bytes are malformed.
  std::optional<Buffer> (*recode)(ByteReader& in, int version);
  // Decodes, shows every field to the visitor, who may change it, and encodes the result; nothing
  // if the bytes are malformed.
  std::optional<Buffer> (*visit)(ByteReader& in, int version, FieldVisitor& visitor);

  bool is_flexible(int version) const { return version >= flexible_from; }
};

std::span<const MessageEntry> all_messages();

template <typename Message>
Buffer bytes_of(const Message& value, int version) {
  ByteWriter out;
  encode(out, value, version);
  return flatten(out.finish());
}

template <typename Message>
Buffer default_bytes(int version) {
  return bytes_of(Message(), version);
}

template <typename Message>
Buffer random_bytes(Random& random, int filled, int version) {
  Message value;
  fill(random, value, filled);
  return bytes_of(value, version);
}

template <typename Message>
bool survives(Random& random, int version) {
  Message value;
  fill(random, value, version);
  ByteReader in(bytes_of(value, version));
  Message copy;
  return decode(in, copy, version) && in.remaining() == 0 && copy == value;
}

template <typename Message>
std::optional<Buffer> recode(ByteReader& in, int version) {
  Message value;
  if (!decode(in, value, version)) return std::nullopt;
  return bytes_of(value, version);
}

template <typename Message>
std::optional<Buffer> visit_message(ByteReader& in, int version, FieldVisitor& visitor) {
  Message value;
  if (!decode(in, value, version)) return std::nullopt;
  visit(visitor, "", value, version);
  return bytes_of(value, version);
}

template <typename Message>
constexpr MessageEntry message_entry(const char* name, int flexible_from, int16_t request_key) {
  return {name,
          Message::kLowestVersion,
          Message::kHighestVersion,
          flexible_from,
          request_key,
          default_bytes<Message>,
          random_bytes<Message>,
          survives<Message>,
          recode<Message>,
          visit_message<Message>};
}

}  // namespace magpie::wire
