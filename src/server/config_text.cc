#include "server/config_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace magpie::server {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first; the factor is in milliseconds and in bytes.
constexpr Unit kTimeUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr Unit kSizeUnits[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}};

// Splits "30s" into 30 and "s". False if there is no number in front or it is too large.
bool split_number(std::string_view text, uint64_t* number, std::string_view* rest) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc()) return false;
  *rest = text.substr(static_cast<size_t>(end - text.data()));
  return true;
}

template <size_t kCount>
const Unit* find_unit(const Unit (&units)[kCount], std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

// The largest unit that divides `value`.
template <size_t kCount>
std::string in_units(const Unit (&units)[kCount], uint64_t value) {
  for (const Unit& unit : units) {
    if (value % unit.factor == 0 && (value > 0 || unit.factor == 1)) {
      return fmt::format("{}{}", value / unit.factor, unit.name);
    }
  }
  return fmt::format("{}", value);
}

// Edits that turn one word into the other (optimal string alignment).
size_t distance(std::string_view one, std::string_view other) {
  std::vector<std::vector<size_t>> cost(one.size() + 1, std::vector<size_t>(other.size() + 1));
  for (size_t i = 0; i <= one.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= other.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= one.size(); ++i) {
    for (size_t j = 1; j <= other.size(); ++j) {
      const size_t exchanged = cost[i - 1][j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, exchanged});
      const bool swapped =
          i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[one.size()][other.size()];
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  constexpr const char* kExpected = "expected a duration such as 500ms, 30s, 5m, 2h or 7d";
  uint64_t number = 0;
  std::string_view rest;
  if (!split_number(text, &number, &rest)) return fail(ErrorKind::kInvalidArgument, kExpected);
  if (rest.empty() && number != 0) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("a duration needs a unit: {}s or {}ms", number, number));
  }
  const Unit* unit = rest.empty() ? &kTimeUnits[0] : find_unit(kTimeUnits, rest);
  if (unit == nullptr) return fail(ErrorKind::kInvalidArgument, kExpected);
  constexpr uint64_t kMaxMilliseconds = std::numeric_limits<int64_t>::max() / 1'000'000;
  if (number > kMaxMilliseconds / unit->factor) {
    return fail(ErrorKind::kInvalidArgument, "this duration is too long");
  }
  return Duration::milliseconds(static_cast<int64_t>(number * unit->factor));
}

std::string duration_text(Duration duration) {
  return in_units(kTimeUnits, static_cast<uint64_t>(duration.to_milliseconds()));
}

Result<uint64_t> parse_size(std::string_view text) {
  constexpr const char* kExpected = "expected a size such as 4096, 16KiB, 64MiB or 1GiB";
  uint64_t number = 0;
  std::string_view rest;
  if (!split_number(text, &number, &rest)) return fail(ErrorKind::kInvalidArgument, kExpected);
  const Unit* unit = find_unit(kSizeUnits, rest.empty() ? "B" : rest);
  if (unit == nullptr) return fail(ErrorKind::kInvalidArgument, kExpected);
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / unit->factor) {
    return fail(ErrorKind::kInvalidArgument, "this size is too large");
  }
  return number * unit->factor;
}

std::string size_text(uint64_t bytes) {
  return in_units(kSizeUnits, bytes);
}

Result<int64_t> parse_number(std::string_view text, int64_t low, int64_t high) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || parsed != end || number < low || number > high) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("expected a whole number from {} to {}", low, high));
  }
  return number;
}

Result<HostPort> parse_host_port(std::string_view text) {
  constexpr const char* kExpected = "expected HOST:PORT such as 127.0.0.1:9092 or [::1]:9092";
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(ErrorKind::kInvalidArgument, kExpected);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool needs_brackets = host.find(':') != std::string_view::npos;
  const Result<int64_t> port = parse_number(text.substr(colon + 1), 1, 65'535);
  if (host.empty() || needs_brackets != bracketed || !port) {
    return fail(ErrorKind::kInvalidArgument, kExpected);
  }
  return HostPort{std::string(host), static_cast<uint16_t>(*port)};
}

std::string host_port_text(const HostPort& address) {
  const bool needs_brackets = address.host.find(':') != std::string::npos;
  return needs_brackets ? fmt::format("[{}]:{}", address.host, address.port)
                        : fmt::format("{}:{}", address.host, address.port);
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool is_any_address(std::string_view host) {
  return host == "0.0.0.0" || host == "::";
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(word.size() / 3, 1) + 1;
  for (const std::string& candidate : candidates) {
    const size_t edits = distance(word, candidate);
    if (edits >= best_distance) continue;
    best = candidate;
    best_distance = edits;
  }
  return best;
}

}  // namespace magpie::server
