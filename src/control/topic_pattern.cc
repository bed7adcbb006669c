#include "control/topic_pattern.h"

#include <algorithm>

#include "control/topic_name.h"

namespace magpie::control {

bool is_topic_pattern(std::string_view text) {
  return text.find('*') != std::string_view::npos;
}

std::optional<std::string> topic_pattern_problem(std::string_view pattern) {
  // With each star taken for a letter it must be a name that a topic can have.
  std::string name(pattern);
  std::replace(name.begin(), name.end(), '*', 'x');
  return topic_name_problem(name);
}

// Each star first takes nothing; where the rest does not fit, the latest one takes a character
// more. What fitted before it stays: whatever an earlier star would take instead, the latest one
// can, too.
bool matches_topic(std::string_view pattern, std::string_view topic) {
  size_t at = 0;
  size_t in = 0;
  size_t star = std::string_view::npos;
  size_t taken = 0;  // by the latest star, up to here
  while (in < topic.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = in;
    } else if (at < pattern.size() && pattern[at] == topic[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

size_t pattern_weight(std::string_view pattern) {
  return pattern.size() - static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
}

}  // namespace magpie::control
