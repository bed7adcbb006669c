// What the tests of this folder share: folders that go away, a client socket, a scripted machine
// and waiting for conditions. Nothing here sleeps for a fixed time: a wait ends when its condition
// holds, and fails the test after a deadline that only a broken program reaches.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "os/driver.h"
#include "os/log_sink.h"
#include "os/machine.h"

namespace magpie::os {

inline constexpr std::chrono::seconds kTestDeadline{30};

// Polls until `condition` holds. False after the deadline.
bool eventually(const std::function<bool()>& condition);

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A blocking client on loopback; every call gives up after the deadline.
class TestClient {
 public:
  explicit TestClient(uint16_t port, const std::string& address = "127.0.0.1");
  ~TestClient();

  bool connected() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  bool write(const std::string& bytes);
  // Exactly `count` bytes, or what came before the end of the stream.
  std::string read(size_t count);
  // Everything up to the end of the stream.
  std::string read_all();
  // True when the peer has closed the connection.
  bool closed();
  void finish_writing();
  // Sends one Kafka frame: the size, then the text.
  bool write_frame(const std::string& text);
  // Text of the next frame; empty at the end of the stream.
  std::string read_frame();

 private:
  int descriptor_ = -1;
};

// The bytes of a frame: big-endian size, then the text.
std::string frame_bytes(const std::string& text);

class TestLog final : public LogSink {
 public:
  void write(const Now& now, const port::LogLine& line) override;
  // Texts of the lines with this code.
  std::vector<std::string> lines(const std::string& code) const;

 private:
  mutable std::mutex mutex_;
  std::vector<port::LogLine> lines_;
};

// A machine that does what the test says for each event, and remembers in words what it saw.
class ScriptedMachine : public Machine {
 public:
  using OnEvent = std::function<void(const port::Event&, port::Effects&)>;

  explicit ScriptedMachine(OnEvent on_event = {}) : on_event_(std::move(on_event)) {}

  void start(const Now& now, port::Effects& effects) override;
  void step(const Now& now, port::Event event, port::Effects& effects) override;
  void tick(const Now&, port::Effects&) override {}
  Instant next_deadline() const override { return Instant::never(); }
  MachinePhase phase() const override { return phase_; }
  std::string failure() const override { return failure_; }

  // From within the script.
  void stop() { phase_ = MachinePhase::kStopped; }
  void fail_with(std::string why);
  std::function<void(port::Effects&)> on_start;

  // From any thread: "opened 0", "connected", "peer n1", "frame hello", "closed: by the peer",
  // "above", "below", …
  std::vector<std::string> seen() const;
  size_t count(const std::string& what) const;
  // Why the first connection was closed; empty if none was.
  std::string closed_because() const;

 private:
  void remember(std::string what);

  OnEvent on_event_;
  MachinePhase phase_ = MachinePhase::kWorking;
  std::string failure_;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
};

// A driver with one listener and an admin port on free ports, running in a thread of its own.
class RunningDriver {
 public:
  explicit RunningDriver(Machine& machine,
                         const std::function<void(DriverConfig&)>& configure = {});
  ~RunningDriver();

  // Requests a stop, waits for the end and returns the exit code.
  int stop();
  // Waits for the driver to end by itself.
  int join();

  uint16_t port() const { return driver_->port({}); }
  uint16_t admin_port() const { return driver_->admin_port(); }
  Driver& driver() { return *driver_; }
  TestLog& log() { return log_; }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
  TestLog log_;
  FileCalls calls_;
  std::unique_ptr<Driver> driver_;
  std::thread thread_;
  int exit_code_ = -1;
};

// Sends every frame back as it came.
void echo(const port::Event& event, port::Effects& effects);

}  // namespace magpie::os
