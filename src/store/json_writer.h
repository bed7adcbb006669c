// Writes messages as etcd's gateway does: protocol buffers' JSON mapping with the original names,
// absent fields for default values, base64 for bytes, decimal strings for 64-bit integers.
//
// A message is described once, by a function fields(visitor, message) (message_fields.h); this
// visitor writes it, the one of json_reader.h reads it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "store/base64.h"

namespace magpie::store {

// The names of an enumeration's values, by number.
template <typename T>
struct EnumNames;

class JsonWriter {
 public:
  void bytes(const char* name, const std::string& value) {
    if (!value.empty()) object_[name] = encode_base64(value);
  }
  void text(const char* name, const std::string& value) {
    if (!value.empty()) object_[name] = value;
  }
  void number(const char* name, int64_t value) {
    if (value != 0) object_[name] = std::to_string(value);
  }
  void number(const char* name, uint64_t value) {
    if (value != 0) object_[name] = std::to_string(value);
  }
  // Written even if it is the default: the member of a choice that was set.
  void chosen_number(const char* name, int64_t value) { object_[name] = std::to_string(value); }
  void chosen_bytes(const char* name, const std::string& value) {
    object_[name] = encode_base64(value);
  }
  void flag(const char* name, bool value) {
    if (value) object_[name] = true;
  }
  template <typename T>
  void enumeration(const char* name, T value) {
    if (value != T{}) object_[name] = EnumNames<T>::kNames[static_cast<size_t>(value)];
  }
  void bytes_list(const char* name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    nlohmann::json& list = object_[name] = nlohmann::json::array();
    for (const std::string& value : values) list.push_back(encode_base64(value));
  }
  template <typename T>
  void message(const char* name, const T& value) {
    JsonWriter inner;
    fields(inner, const_cast<T&>(value));
    object_[name] = std::move(inner.object_);
  }
  template <typename T>
  void messages(const char* name, const std::vector<T>& values) {
    if (values.empty()) return;
    nlohmann::json& list = object_[name] = nlohmann::json::array();
    for (const T& value : values) {
      JsonWriter inner;
      fields(inner, const_cast<T&>(value));
      list.push_back(std::move(inner.object_));
    }
  }

  static constexpr bool kReads = false;
  nlohmann::json take() { return std::move(object_); }

 private:
  nlohmann::json object_ = nlohmann::json::object();
};

}  // namespace magpie::store
