#include "store/json_reader.h"

#include <charconv>

namespace magpie::store {
namespace {

std::string camel_case(std::string_view name) {
  std::string result;
  bool upper = false;
  for (const char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    const bool changes = upper && c >= 'a' && c <= 'z';
    result += changes ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return result;
}

template <typename T>
bool parse(const nlohmann::json& json, T& value) {
  if (json.is_number_unsigned()) {
    const auto number = json.get<uint64_t>();
    value = static_cast<T>(number);
    return std::is_same_v<T, uint64_t> || number <= static_cast<uint64_t>(INT64_MAX);
  }
  if (json.is_number_integer()) {
    value = static_cast<T>(json.get<int64_t>());
    return !std::is_same_v<T, uint64_t>;
  }
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

}  // namespace

JsonReader::JsonReader(const nlohmann::json& object) : object_(object) {
  if (!object.is_object() && !object.is_null()) error_ = "an object was expected";
}

const nlohmann::json* JsonReader::find(const char* name) const {
  if (!object_.is_object()) return nullptr;
  auto found = object_.find(name);
  if (found == object_.end()) found = object_.find(camel_case(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void JsonReader::fail(const char* name, std::string_view expected) {
  if (error_.empty()) error_.append(name).append(": ").append(expected).append(" was expected");
}

void JsonReader::bytes(const char* name, std::string& value) {
  const nlohmann::json* found = find(name);
  if (found == nullptr) return;
  auto decoded =
      found->is_string() ? decode_base64(found->get_ref<const std::string&>()) : std::nullopt;
  if (!decoded) return fail(name, "base64");
  value = std::move(*decoded);
}

void JsonReader::text(const char* name, std::string& value) {
  const nlohmann::json* found = find(name);
  if (found == nullptr) return;
  if (!found->is_string()) return fail(name, "a string");
  value = found->get_ref<const std::string&>();
}

void JsonReader::number(const char* name, int64_t& value) {
  const nlohmann::json* found = find(name);
  if (found != nullptr && !parse(*found, value)) fail(name, "a 64-bit integer");
}

void JsonReader::number(const char* name, uint64_t& value) {
  const nlohmann::json* found = find(name);
  if (found != nullptr && !parse(*found, value)) fail(name, "an unsigned 64-bit integer");
}

void JsonReader::flag(const char* name, bool& value) {
  const nlohmann::json* found = find(name);
  if (found == nullptr) return;
  if (!found->is_boolean()) return fail(name, "true or false");
  value = found->get<bool>();
}

std::vector<const nlohmann::json*> JsonReader::items(const char* name) {
  std::vector<const nlohmann::json*> result;
  const nlohmann::json* found = find(name);
  if (found == nullptr) return result;
  if (!found->is_array()) fail(name, "a list");
  for (const nlohmann::json& item : *found) result.push_back(&item);
  return result;
}

void JsonReader::bytes_list(const char* name, std::vector<std::string>& values) {
  for (const nlohmann::json* item : items(name)) {
    auto decoded =
        item->is_string() ? decode_base64(item->get_ref<const std::string&>()) : std::nullopt;
    if (!decoded) return fail(name, "a list of base64");
    values.push_back(std::move(*decoded));
  }
}

size_t JsonReader::enumerator(const char* name, const char* const* names, size_t count) {
  const nlohmann::json* found = find(name);
  if (found == nullptr) return 0;
  uint64_t value = 0;
  if (found->is_number() && parse(*found, value) && value < count) return value;
  for (size_t i = 0; i < count && found->is_string(); ++i) {
    if (found->get_ref<const std::string&>() == names[i]) return i;
  }
  fail(name, "a known name");
  return 0;
}

}  // namespace magpie::store
