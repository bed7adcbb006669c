// Walking over the fields of any message, for tests only: to print, compare or change messages
// without knowing them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/buffer.h"
#include "base/uuid.h"
#include "wire/error_code.h"

namespace magpie::wire {

// Is told every field that a version has, in the order of the schema. `path` names the field:
// "topics[0].partitions[2].error_code". Values may be changed.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void number(const std::string& path, int64_t& value) = 0;
  virtual void error_code(const std::string& path, ErrorCode& value) = 0;
  virtual void text(const std::string& path, std::string& value) = 0;
  virtual void uuid(const std::string& path, Uuid& value) = 0;
  virtual void bytes(const std::string& path, Buffer& value) = 0;
  virtual void null(const std::string& path) = 0;
  // The elements of an array follow.
  virtual void count(const std::string& path, size_t elements) = 0;
};

inline std::string element_path(const std::string& path, size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
void visit_value(FieldVisitor& visitor, const std::string& path, T& value) {
  int64_t wide = value;
  visitor.number(path, wide);
  value = static_cast<T>(wide);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path, ErrorCode& value) {
  visitor.error_code(path, value);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path, std::string& value) {
  visitor.text(path, value);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path, Uuid& value) {
  visitor.uuid(path, value);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path, Buffer& value) {
  visitor.bytes(path, value);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path, BufferChain& value) {
  Buffer whole = flatten(value);
  visitor.bytes(path, whole);
  value = {whole};
}

// Arrays of plain values; those of structures have generated code.
template <typename T>
void visit_array(FieldVisitor& visitor, const std::string& path, std::vector<T>& values) {
  visitor.count(path, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    visit_value(visitor, element_path(path, i), values[i]);
  }
}
inline void visit_value(FieldVisitor& visitor, const std::string& path,
                        std::vector<int32_t>& values) {
  visit_array(visitor, path, values);
}
inline void visit_value(FieldVisitor& visitor, const std::string& path,
                        std::vector<std::string>& values) {
  visit_array(visitor, path, values);
}

template <typename T>
void visit_value(FieldVisitor& visitor, const std::string& path, std::optional<T>& value) {
  if (!value) return visitor.null(path);
  visit_value(visitor, path, *value);
}

}  // namespace magpie::wire
