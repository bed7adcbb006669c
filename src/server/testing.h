// What the tests of the `magpie` binary share: running it, and a node with a configuration of its
// own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "os/testing.h"

namespace magpie::server {

// A running `magpie`; what it writes to both streams is read together.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments);
  ~Process();  // kills it
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  // True once the output contains `text`; false at its end or after the deadline.
  bool says(const std::string& text);
  // Waits for the end; the exit code, or -1 if a signal ended it.
  int exit_code();
  void signal(int number);
  int id() const { return id_; }
  const std::string& output() const { return output_; }

 private:
  bool read_more();

  int id_ = 0;
  int output_end_ = -1;
  bool has_ended_ = false;  // or closed its output, which it does when it ends
  std::string output_;
};

// What a command printed and how it ended.
struct CommandResult {
  int exit_code = -1;
  std::string output;
};
CommandResult run_magpie(std::vector<std::string> arguments);

// A port on loopback that is free at this moment, and not the one of the call before.
uint16_t free_port();
inline std::string loopback(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

// One GET or other request to an admin port; status 0 if nobody answers.
struct HttpReply {
  int status = 0;
  std::string body;
};
HttpReply http(uint16_t port, const std::string& method, const std::string& target,
               const std::string& body = "");

// A node on free ports with its data in `folder`.
class NodeProcess {
 public:
  // `yaml` holds further sections of the configuration, without listeners, node and admin.
  NodeProcess(const std::string& folder, const std::string& yaml);

  // Waits until it serves. False, with its output in the test's log, if it does not.
  bool serves();
  // SIGTERM; the exit code.
  int stop();
  // As if the process had been shot.
  void kill();

  Process& process() { return *process_; }
  uint16_t kafka_port() const { return kafka_port_; }
  uint16_t admin_port() const { return admin_port_; }
  std::string admin() const { return loopback(admin_port_); }
  // The value of a metric with these labels; -1 if it is not there.
  int64_t metric(const std::string& name, const std::string& labels = "") const;

 private:
  uint16_t kafka_port_;
  uint16_t admin_port_;
  std::unique_ptr<Process> process_;
};

}  // namespace magpie::server
