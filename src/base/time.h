// Time is an argument.
//
// Two clocks that must not be mixed: Instant only ever moves forward and measures durations;
// WallTime is what people and Kafka timestamps mean and may jump. The driver reads both once per
// event and passes them in; pure code never asks.
#pragma once

#include <compare>
#include <cstdint>

namespace magpie {

// A span of time in nanoseconds.
struct Duration {
  int64_t nanos = 0;

  static constexpr Duration nanoseconds(int64_t n) { return {n}; }
  static constexpr Duration microseconds(int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(int64_t n) { return {saturating(n, 1'000'000)}; }
  static constexpr Duration seconds(int64_t n) { return {saturating(n, 1'000'000'000)}; }
  static constexpr Duration max() { return {INT64_MAX}; }

  constexpr int64_t to_milliseconds() const { return nanos / 1'000'000; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {nanos + other.nanos}; }
  constexpr Duration operator-(Duration other) const { return {nanos - other.nanos}; }

 private:
  // Kafka clients send INT64_MAX milliseconds to say "never": clamp instead of overflowing.
  static constexpr int64_t saturating(int64_t n, int64_t unit) {
    if (n > INT64_MAX / unit) return INT64_MAX;
    if (n < INT64_MIN / unit) return INT64_MIN;
    return n * unit;
  }
};

// A point on a clock that never goes back and is not affected by setting the time. Its zero is
// arbitrary, so an Instant is never stored or sent.
struct Instant {
  int64_t nanos = 0;

  // Later than every event: "no deadline".
  static constexpr Instant never() { return {INT64_MAX}; }

  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Duration operator-(Instant earlier) const { return {nanos - earlier.nanos}; }
  constexpr Instant operator+(Duration d) const {
    return {d.nanos > INT64_MAX - nanos ? INT64_MAX : nanos + d.nanos};
  }
};

// Milliseconds since 1970-01-01 UTC, Kafka's unit for timestamps.
struct WallTime {
  int64_t millis = 0;

  constexpr auto operator<=>(const WallTime&) const = default;
};

// Both clocks as the driver read them just before it delivered an event.
struct Now {
  Instant instant;
  WallTime wall;
};

}  // namespace magpie
