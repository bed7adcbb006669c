// Messages of any kind as lists of named fields, to compare them and to show how they differ.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/byte_reader.h"
#include "wire/all_messages.h"
#include "wire/field_visitor.h"

namespace magpie::node::testing {

struct Field {
  std::string path;   // "topics[0].partitions[2].error_code"
  std::string value;  // as people read it: 7, "text", UNKNOWN_MEMBER_ID, null, [3]

  // The last part of the path: "error_code".
  std::string name() const;
};

// The entry of an API's request or answer. Null if there is none.
const wire::MessageEntry* find_message(int16_t api_key, bool is_request);

// All fields of the message that `in` holds, to its last byte. Nothing if it is malformed, longer,
// or not the bytes that its own fields encode to.
std::optional<std::vector<Field>> read_fields(const wire::MessageEntry& message, ByteReader in,
                                              int version);

// Replaces whole texts by other texts, in any field.
class Translation {
 public:
  void learn(const std::string& from, const std::string& to) { texts_[from] = to; }
  // The message with its texts replaced; nothing if it is malformed.
  std::optional<Buffer> apply(const wire::MessageEntry& message, ByteReader in, int version) const;

 private:
  std::map<std::string, std::string> texts_;
};

}  // namespace magpie::node::testing
