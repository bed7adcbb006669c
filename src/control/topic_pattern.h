// Topics named by a pattern: `orders`, `ord*`, `*.payments.*`. A star stands for any characters,
// also for none; everything else stands for itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace magpie::control {

// True if there is a star in it.
bool is_topic_pattern(std::string_view text);

// What is wrong with a pattern, as a sentence about it; nothing if it can be one.
std::optional<std::string> topic_pattern_problem(std::string_view pattern);

bool matches_topic(std::string_view pattern, std::string_view topic);

// Characters of the pattern that stand for themselves: of two that match, the one with more of them
// says more about the topic.
size_t pattern_weight(std::string_view pattern);

}  // namespace magpie::control
