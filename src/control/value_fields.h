// Reading a value of cluster state field by field, and the words and members that stand in several
// of them. Only for .cc files, as value_json.h.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "control/member.h"
#include "control/value_json.h"

namespace magpie::control {

inline constexpr size_t kMembersMax = 64;

// The enumerators are numbered from 0 in the order of the words.
template <typename Enum, size_t N>
const char* word(const std::array<const char*, N>& words, Enum value) {
  return words[static_cast<size_t>(value)];
}

// Reads fields of one value and remembers the first that is wrong.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  template <typename Enum, size_t N>
  Enum choice(const char* field, const std::array<const char*, N>& words) {
    const std::string* text = text_field(json_, field);
    if (text != nullptr) {
      const auto found =
          std::find_if(words.begin(), words.end(), [&](const char* each) { return *text == each; });
      if (found != words.end()) return static_cast<Enum>(found - words.begin());
    }
    wrong(fmt::format("field '{}' must be one of {}", field, fmt::join(words, ", ")));
    return Enum{};
  }
  int64_t integer(const char* field, int64_t low, int64_t high) {
    const auto value = integer_field(json_, field, low, high);
    if (!value) wrong(fmt::format("field '{}' must be a number of at least {}", field, low));
    return value.value_or(low);
  }
  bool boolean(const char* field) {
    const auto value = bool_field(json_, field);
    if (!value) wrong(fmt::format("field '{}' must be true or false", field));
    return value.value_or(false);
  }
  bool has(const char* field) const { return json_.contains(field); }
  std::string text(const char* field, size_t bytes_max) {
    const std::string* text = text_field(json_, field);
    if (text != nullptr && text->size() <= bytes_max) return *text;
    wrong(fmt::format("field '{}' must be a text of at most {} bytes", field, bytes_max));
    return {};
  }
  // A list of at most `most` elements; an empty one if it is anything else.
  Json list(const char* field, size_t most) {
    const auto found = json_.find(field);
    if (found != json_.end() && found->is_array() && found->size() <= most) return *found;
    wrong(fmt::format("field '{}' must be a list of at most {}", field, most));
    return Json::array();
  }
  std::optional<Member> member(const Json& json) {
    const auto node = json.is_object() ? node_field(json, "node") : std::nullopt;
    const auto incarnation = node ? uuid_field(json, "incarnation") : std::nullopt;
    if (incarnation) return Member{*node, *incarnation};
    wrong("a member must have a node and an incarnation");
    return std::nullopt;
  }
  Members members(const char* field) {
    Members members;
    const auto found = json_.find(field);
    if (found == json_.end() || !found->is_array() || found->size() > kMembersMax) {
      wrong(fmt::format("field '{}' must list at most {} members", field, kMembersMax));
      return members;
    }
    for (const Json& element : *found) {
      const auto one = member(element);
      if (!one) return members;
      if (!members.empty() && !(members.back() < *one)) {
        wrong(fmt::format("the members of field '{}' must be sorted, each once", field));
      }
      members.push_back(*one);
    }
    return members;
  }

  void wrong(std::string what) {
    if (!problem_) problem_ = std::move(what);
  }
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  const Json& json_;
  std::optional<std::string> problem_;
};

inline Json member_json(const Member& member) {
  return {{"node", member.node.value}, {"incarnation", to_string(member.incarnation)}};
}

inline Json members_json(const Members& members) {
  Json json = Json::array();
  for (const Member& member : members) json.push_back(member_json(member));
  return json;
}

}  // namespace magpie::control
