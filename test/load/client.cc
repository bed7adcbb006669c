#include "client.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace magpie::load {
namespace {

bool set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> reason{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(), reason.size()) ==
      RD_KAFKA_CONF_OK) {
    return true;
  }
  fmt::print(stderr, "error: {}\n", reason.data());
  return false;
}

}  // namespace

Configuration configure(const Values& values, const std::vector<std::string>& overrides) {
  Configuration conf(rd_kafka_conf_new());
  for (const auto& [name, value] : values) {
    if (!set(conf.get(), name, value)) return nullptr;
  }
  for (const std::string& entry : overrides) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      fmt::print(stderr, "error: '{}' is not name=value\n", entry);
      return nullptr;
    }
    if (!set(conf.get(), entry.substr(0, equals), entry.substr(equals + 1))) return nullptr;
  }
  return conf;
}

Handle make_handle(rd_kafka_type_t type, Configuration configuration) {
  std::array<char, 512> reason{};
  Handle handle(rd_kafka_new(type, configuration.get(), reason.data(), reason.size()));
  if (!handle) {
    fmt::print(stderr, "error: {}\n", reason.data());
    return nullptr;
  }
  (void)configuration.release();  // librdkafka took it over
  return handle;
}

int64_t monotonic_millis() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string payload(int32_t partition, int64_t number, int32_t bytes) {
  std::string text = fmt::format("{}:{}:", partition, number);
  if (text.size() < static_cast<size_t>(bytes)) text.resize(static_cast<size_t>(bytes), '.');
  return text;
}

bool print_read(const rd_kafka_message_t& message) {
  const char* const begin = static_cast<const char*>(message.payload);
  const char* const end = begin + message.len;
  int32_t partition = -1;
  int64_t number = -1;
  const auto [colon, error] = std::from_chars(begin, end, partition);
  if (error != std::errc() || colon == end || *colon != ':') return false;
  if (std::from_chars(colon + 1, end, number).ec != std::errc()) return false;
  if (partition != message.partition) return false;
  fmt::print("read {} {} {} {}\n", monotonic_millis(), partition, number, message.offset);
  return true;
}

EndOfInput::EndOfInput() {
  watcher_ = std::thread([this] {
    std::array<char, 256> ignored{};
    while (::read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
    }
    reached_.store(true);
  });
}

EndOfInput::~EndOfInput() {
  // Whoever leaves early does not wait for the input to end.
  if (reached_.load()) {
    watcher_.join();
  } else {
    watcher_.detach();
  }
}

}  // namespace magpie::load
