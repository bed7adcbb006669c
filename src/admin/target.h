// The target of an HTTP request, taken apart.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace magpie::admin {

class Target {
 public:
  // Splits "/v1/groups/my%20group?x=y" into its path's parts, decoded; the query is dropped.
  static Target parse(std::string_view target);

  // True if the path has exactly these parts.
  bool is(std::initializer_list<std::string_view> parts) const;

  // The last part, if the path is `parts` and one more.
  std::optional<std::string> below(std::initializer_list<std::string_view> parts) const;

 private:
  std::vector<std::string> parts_;
};

// Decodes %XX (RFC 3986, section 2.1); anything that is no such code stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace magpie::admin
