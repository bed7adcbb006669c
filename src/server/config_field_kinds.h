// How a setting of each kind is read and printed. Private to the configuration.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config_fields.h"

namespace magpie::server {

// A reference to the setting inside a ServerConfig.
template <typename Value>
using Place = Value& (*)(ServerConfig&);

template <typename Value>
Value get(Place<Value> place, const ServerConfig& config) {
  return place(const_cast<ServerConfig&>(config));
}

template <typename Value>
ConfigField number(std::string path, std::string description, int64_t low, int64_t high,
                   Place<Value> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            const Result<int64_t> parsed = parse_number(text, low, high);
            if (!parsed) return fail(parsed.error());
            place(config) = static_cast<Value>(*parsed);
            return {};
          },
          [=](const ServerConfig& config) { return fmt::format("{}", get(place, config)); }};
}

template <typename Value>
ConfigField size(std::string path, std::string description, uint64_t low, uint64_t high,
                 Place<Value> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            const Result<uint64_t> parsed = parse_size(text);
            if (!parsed) return fail(parsed.error());
            if (*parsed < low || *parsed > high) {
              return fail(
                  ErrorKind::kInvalidArgument,
                  fmt::format("expected a size from {} to {}", size_text(low), size_text(high)));
            }
            place(config) = static_cast<Value>(*parsed);
            return {};
          },
          [=](const ServerConfig& config) { return size_text(get(place, config)); }};
}

inline ConfigField duration(std::string path, std::string description, Duration low, Duration high,
                            Place<Duration> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            const Result<Duration> parsed = parse_duration(text);
            if (!parsed) return fail(parsed.error());
            if (*parsed < low || *parsed > high) {
              return fail(ErrorKind::kInvalidArgument,
                          fmt::format("expected a duration from {} to {}", duration_text(low),
                                      duration_text(high)));
            }
            place(config) = *parsed;
            return {};
          },
          [=](const ServerConfig& config) { return duration_text(get(place, config)); }};
}

// One of a few words. `words` pairs each with its value.
template <typename Value>
ConfigField word(std::string path, std::string description,
                 std::vector<std::pair<std::string, Value>> words, Place<Value> place) {
  const auto parse = [words, place](ServerConfig& config, std::string_view text) -> Status {
    std::string expected;
    for (const auto& [name, value] : words) {
      if (name == text) {
        place(config) = value;
        return {};
      }
      expected += (expected.empty() ? "" : ", ") + name;
    }
    return fail(ErrorKind::kInvalidArgument, "expected one of: " + expected);
  };
  const auto print = [words, place](const ServerConfig& config) -> std::string {
    const Value present = get(place, config);
    for (const auto& [name, value] : words) {
      if (value == present) return name;
    }
    return "";
  };
  return {std::move(path), std::move(description), parse, print};
}

inline ConfigField yes_or_no(std::string path, std::string description, Place<bool> place) {
  return word<bool>(std::move(path), std::move(description), {{"true", true}, {"false", false}},
                    place);
}

// Text of which every character is one that names are made of.
inline ConfigField name(std::string path, std::string description, Place<std::string> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            const bool good =
                !text.empty() && text.size() <= 249 &&
                std::all_of(text.begin(), text.end(), [](unsigned char letter) {
                  return std::isalnum(letter) || letter == '.' || letter == '_' || letter == '-';
                });
            if (!good) {
              return fail(ErrorKind::kInvalidArgument,
                          "expected 1 to 249 characters out of a-z, A-Z, 0-9, '.', '_' and '-'");
            }
            place(config) = std::string(text);
            return {};
          },
          [=](const ServerConfig& config) { return get(place, config); }};
}

inline ConfigField path_name(std::string path, std::string description, Place<std::string> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            if (text.empty()) return fail(ErrorKind::kInvalidArgument, "expected a path");
            place(config) = std::string(text);
            return {};
          },
          [=](const ServerConfig& config) { return get(place, config); }};
}

inline ConfigField address(std::string path, std::string description, Place<HostPort> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            Result<HostPort> parsed = parse_host_port(text);
            if (!parsed) return fail(parsed.error());
            place(config) = std::move(*parsed);
            return {};
          },
          [=](const ServerConfig& config) { return host_port_text(get(place, config)); }};
}

// A path, or empty text where there is none.
inline ConfigField optional_text(std::string path, std::string description,
                                 Place<std::string> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            place(config) = std::string(text);
            return {};
          },
          [=](const ServerConfig& config) {
            const std::string text = get(place, config);
            return text.empty() ? "\"\"" : text;
          }};
}

// An address, or empty text where there is none.
inline ConfigField optional_address(std::string path, std::string description,
                                    Place<std::optional<HostPort>> place) {
  return {std::move(path), std::move(description),
          [=](ServerConfig& config, std::string_view text) -> Status {
            if (text.empty()) {
              place(config).reset();
              return {};
            }
            Result<HostPort> parsed = parse_host_port(text);
            if (!parsed) return fail(parsed.error());
            place(config) = std::move(*parsed);
            return {};
          },
          [=](const ServerConfig& config) {
            const std::optional<HostPort> present = get(place, config);
            return present.has_value() ? host_port_text(*present) : "\"\"";
          }};
}

// A list of texts; `check` refuses one by returning an error.
inline ConfigField list(std::string path, std::string description,
                        Status (*check)(std::string_view), Place<std::vector<std::string>> place) {
  const auto parse = [=](ServerConfig& config, std::string_view text) -> Status {
    std::vector<std::string> items;
    while (!text.empty()) {
      const size_t end = std::min(text.find(','), text.size());
      const std::string_view item = text.substr(0, end);
      if (const Status good = check(item); !good) return good;
      items.emplace_back(item);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    place(config) = std::move(items);
    return {};
  };
  const auto print = [=](const ServerConfig& config) -> std::string {
    return fmt::format("[{}]", fmt::join(get(place, config), ", "));
  };
  return {std::move(path), std::move(description), parse, print, true};
}

inline constexpr Duration kSecond = Duration::seconds(1);
inline constexpr Duration kDay = Duration::seconds(86'400);
inline constexpr Duration kYear = Duration::seconds(365 * 86'400);
inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kTiB = 1024 * 1024 * kMiB;

}  // namespace magpie::server
