#include "admin/target.h"

#include <algorithm>

namespace magpie::admin {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                       hex_value(text[i + 2]) >= 0;
    if (coded) {
      decoded += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

Target Target::parse(std::string_view target) {
  Target parsed;
  target = target.substr(0, target.find('?'));
  while (!target.empty()) {
    if (target.front() == '/') target.remove_prefix(1);
    const size_t end = std::min(target.find('/'), target.size());
    if (end > 0) parsed.parts_.push_back(percent_decode(target.substr(0, end)));
    target.remove_prefix(end);
  }
  return parsed;
}

std::optional<std::string> Target::match(std::string_view pattern) const {
  const Target wanted = parse(pattern);
  if (wanted.parts_.size() != parts_.size()) return std::nullopt;
  std::string name;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (wanted.parts_[i] == "NAME") {
      name = parts_[i];
    } else if (wanted.parts_[i] != parts_[i]) {
      return std::nullopt;
    }
  }
  return name;
}

}  // namespace magpie::admin
