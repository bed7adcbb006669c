// The target of an HTTP request, taken apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace magpie::admin {

class Target {
 public:
  // Splits "/v1/groups/my%20group?x=y" into its path's parts, decoded; the query is dropped.
  static Target parse(std::string_view target);

  // If the path looks like `pattern` ("/v1/groups/NAME"): the part at NAME, or "" if the pattern
  // has none. Otherwise nothing.
  std::optional<std::string> match(std::string_view pattern) const;

 private:
  std::vector<std::string> parts_;
};

// Decodes %XX (RFC 3986, section 2.1); anything that is no such code stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace magpie::admin
