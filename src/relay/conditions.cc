#include "relay/conditions.h"

#include <charconv>
#include <optional>

namespace magpie::relay {
namespace {

// The number at the front of `text`, which keeps what follows it.
std::optional<double> take_number(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() &&
         (text[length] == '.' || (text[length] >= '0' && text[length] <= '9')))
    ++length;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + length, number);
  if (error != std::errc() || length == 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::optional<Duration> parse_delay(std::string_view text) {
  const std::optional<double> number = take_number(text);
  if (!number) return std::nullopt;
  if (text == "ms") return Duration{static_cast<int64_t>(*number * 1e6)};
  if (text == "s") return Duration{static_cast<int64_t>(*number * 1e9)};
  if (text == "us") return Duration{static_cast<int64_t>(*number * 1e3)};
  return std::nullopt;
}

std::optional<uint64_t> parse_rate(std::string_view text) {
  const std::optional<double> number = take_number(text);
  if (!number) return std::nullopt;
  if (text.empty() || text == "B") return static_cast<uint64_t>(*number);
  if (text == "kB") return static_cast<uint64_t>(*number * 1e3);
  if (text == "MB") return static_cast<uint64_t>(*number * 1e6);
  return std::nullopt;
}

std::optional<uint32_t> parse_loss(std::string_view text) {
  const std::optional<double> number = take_number(text);
  if (!number || *number > 100 || text != "%") return std::nullopt;
  return static_cast<uint32_t>(*number * 1'000);
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "yes") return true;
  if (text == "no") return false;
  return std::nullopt;
}

template <typename T>
bool assign(T& target, const std::optional<T>& value) {
  if (value) target = *value;
  return value.has_value();
}

bool change_one(Conditions& conditions, std::string_view name, std::string_view value) {
  if (name == "delay") return assign(conditions.delay, parse_delay(value));
  if (name == "rate") return assign(conditions.rate, parse_rate(value));
  if (name == "loss") return assign(conditions.loss, parse_loss(value));
  if (name == "silent") return assign(conditions.silent, parse_switch(value));
  return false;
}

}  // namespace

Status change(Conditions& conditions, std::string_view text) {
  Conditions wanted = conditions;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (word.empty()) continue;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos ||
        !change_one(wanted, word.substr(0, equals), word.substr(equals + 1))) {
      return fail(
          ErrorKind::kInvalidArgument,
          "'" + std::string(word) +
              "' is not understood; there are delay=20ms, rate=10MB, loss=0.1%, silent=yes");
    }
  }
  conditions = wanted;
  return {};
}

}  // namespace magpie::relay
