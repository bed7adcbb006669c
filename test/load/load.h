// A Kafka client that says, line by line, what it was promised and what it saw.
//
// The problem: to show that nothing acknowledged is missing, someone must write down every
// acknowledgement at the moment it came, and every record that can be read afterwards. The idea: a
// small program on plain librdkafka, so that what it meets is what any client meets. Each record
// carries its partition and a number that counts from 0, and librdkafka keeps the order within a
// partition, so a missing, repeated or reordered record shows.
//
// One line per event on standard output; the number after the word is milliseconds of the
// monotonic clock:
//
//   acked  <ms> <partition> <number> <offset>     the broker acknowledged the record
//   failed <ms> <partition> <number> <reason>     librdkafka gave up on it
//   read   <ms> <partition> <number> <offset>     a record came back
//   committed <ms> <partition> <end> <position>   of the group; -1001: none. `end` is the log's
//
// It does not judge: tools/demo.py and the harnesses in test/ compare the lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace magpie::load {

struct Settings {
  std::string bootstrap;
  std::string topic;
  int32_t partitions = 1;
  int32_t rate = 1'000;  // records per second over all partitions
  int32_t bytes = 100;   // of a record's value, at least
  std::string group;
  std::vector<std::string> client;  // "name=value", passed to librdkafka as it is
};

// Each runs until its standard input is closed, then finishes what it has begun, and returns the
// exit code: 0, or 1 with the reason on standard error.
int produce(const Settings& settings);
// Reads as a member of the group and commits its position every second.
int consume(const Settings& settings);

// Says once what the group has committed, without becoming a member.
int show_positions(const Settings& settings);

// Reads every partition from its first record to its present end.
int read_all(const Settings& settings);

}  // namespace magpie::load
