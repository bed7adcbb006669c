// Reads what json_writer.h writes, and what etcd 3.4 to 3.6 and their gateways write.
//
// Liberal where the JSON mapping of protocol buffers is: fields may come by their original or their
// lowerCamelCase name, numbers as numbers or strings, enumerations as names or numbers, bytes in
// either alphabet; null means the default; unknown fields are ignored. A field of the wrong type
// makes the message malformed, which error() tells with the field's name.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "store/json_writer.h"

namespace magpie::store {

class JsonReader {
 public:
  // `object` must live longer. Anything but an object or null is malformed.
  explicit JsonReader(const nlohmann::json& object);

  void bytes(const char* name, std::string& value);
  void text(const char* name, std::string& value);
  void number(const char* name, int64_t& value);
  void number(const char* name, uint64_t& value);
  void chosen_number(const char* name, int64_t& value) { number(name, value); }
  void chosen_bytes(const char* name, std::string& value) { bytes(name, value); }
  void flag(const char* name, bool& value);
  void bytes_list(const char* name, std::vector<std::string>& values);

  template <typename T>
  void enumeration(const char* name, T& value) {
    value = static_cast<T>(enumerator(name, EnumNames<T>::kNames, std::size(EnumNames<T>::kNames)));
  }
  template <typename T>
  void message(const char* name, T& value) {
    if (const nlohmann::json* found = find(name)) read_message(name, *found, value);
  }
  template <typename T>
  void messages(const char* name, std::vector<T>& values) {
    for (const nlohmann::json* item : items(name)) read_message(name, *item, values.emplace_back());
  }

  // True if the field is there and not null.
  bool has(const char* name) const { return find(name) != nullptr; }
  void fail(const char* name, std::string_view expected);
  // What is malformed; empty if nothing is.
  const std::string& error() const { return error_; }

  static constexpr bool kReads = true;

 private:
  const nlohmann::json* find(const char* name) const;
  std::vector<const nlohmann::json*> items(const char* name);
  size_t enumerator(const char* name, const char* const* names, size_t count);
  template <typename T>
  void read_message(const char* name, const nlohmann::json& object, T& value) {
    JsonReader inner(object);
    fields(inner, value);
    if (!inner.error_.empty() && error_.empty()) error_ = std::string(name) + "." + inner.error_;
  }

  const nlohmann::json& object_;
  std::string error_;
};

}  // namespace magpie::store
