// How values are written in the configuration file: durations, sizes, addresses; and which known
// word a misspelt one was meant to be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace magpie::server {

// "500ms", "30s", "5m", "2h", "7d". A number without a unit is refused: whether it means seconds
// or milliseconds is what such files are most often wrong about. Error: a sentence fragment.
Result<Duration> parse_duration(std::string_view text);
// In the largest unit that is exact.
std::string duration_text(Duration duration);

// "4096", "16KiB", "64MiB", "1GiB", "2TiB".
Result<uint64_t> parse_size(std::string_view text);
std::string size_text(uint64_t bytes);

// A whole number within [low, high].
Result<int64_t> parse_number(std::string_view text, int64_t low, int64_t high);

struct HostPort {
  std::string host;
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
};

// "127.0.0.1:9092", "kafka.example:9092", "[::1]:9092".
Result<HostPort> parse_host_port(std::string_view text);
std::string host_port_text(const HostPort& address);

// True for "localhost" and for addresses that only this machine can reach. A host name is not
// looked up: what it resolves to may change.
bool is_loopback(std::string_view host);
// True for the addresses that mean "every address of this machine".
bool is_any_address(std::string_view host);

// The candidate that `word` most likely was meant to be: at most a third of its letters differ
// (insertions, deletions, exchanges, swapped neighbours). Empty if there is none.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace magpie::server
