#include "os/testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/check.h"

namespace magpie::os {
namespace {

int remaining_milliseconds(std::chrono::steady_clock::time_point deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::max<int64_t>(count, 0));
}

bool wait_for(int descriptor, short events) {
  pollfd entry{descriptor, events, 0};
  const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
  return ::poll(&entry, 1, remaining_milliseconds(deadline)) == 1;
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "magpie-os-XXXXXX").string();
  CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

TestClient::TestClient(uint16_t port, const std::string& address) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  CHECK(::inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    ::close(descriptor_);
    descriptor_ = -1;
  }
}

TestClient::~TestClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool TestClient::write(const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        ::send(descriptor_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

std::string TestClient::read(size_t count) {
  std::string bytes(count, '\0');
  size_t done = 0;
  while (done < count && wait_for(descriptor_, POLLIN)) {
    const ssize_t got = ::recv(descriptor_, bytes.data() + done, count - done, 0);
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

std::string TestClient::read_all() {
  std::string all;
  while (true) {
    const std::string part = read(1);
    if (part.empty()) return all;
    all += part;
  }
}

bool TestClient::closed() {
  return read(1).empty();
}

void TestClient::finish_writing() {
  ::shutdown(descriptor_, SHUT_WR);
}

bool TestClient::write_frame(const std::string& text) {
  return write(frame_bytes(text));
}

std::string TestClient::read_frame() {
  const std::string prefix = read(4);
  if (prefix.size() < 4) return "";
  size_t size = 0;
  for (const char byte : prefix) size = size << 8 | static_cast<unsigned char>(byte);
  return read(size);
}

std::string frame_bytes(const std::string& text) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(text.size() >> shift));
  }
  return bytes + text;
}

void TestLog::write(const Now&, const port::LogLine& line) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(line);
}

std::vector<std::string> TestLog::lines(const std::string& code) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  for (const port::LogLine& line : lines_) {
    if (line.code == code) texts.push_back(line.text);
  }
  return texts;
}

void ScriptedMachine::start(const Now&, port::Effects& effects) {
  if (on_start) on_start(effects);
}

void ScriptedMachine::step(const Now&, port::Event event, port::Effects& effects) {
  if (const auto* opened = std::get_if<port::ConnectionOpened>(&event)) {
    const bool own = (opened->connection.value & port::kOwnConnectionBit) != 0;
    remember(own ? "connected" : "opened " + std::to_string(opened->listener.value));
    if (!opened->peer_name.empty()) remember("peer " + opened->peer_name);
  } else if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
    remember("frame " + std::string(frame->frame.text().substr(0, 40)));
  } else if (const auto* closed = std::get_if<port::ConnectionClosed>(&event)) {
    remember("closed: " + closed->reason);
  } else if (const auto* queue = std::get_if<port::SendQueueChanged>(&event)) {
    remember(queue->above_high_water ? "above" : "below");
  } else if (const auto* request = std::get_if<port::HttpRequestReceived>(&event)) {
    remember(request->method + " " + request->target + " " + request->body.substr(0, 40));
  } else if (std::holds_alternative<port::HttpExchangeClosed>(event)) {
    remember("exchange closed");
  } else if (const auto* part = std::get_if<port::HttpCallPart>(&event)) {
    remember("part " + part->bytes.substr(0, 40));
  } else if (const auto* done = std::get_if<port::HttpCallDone>(&event)) {
    remember(done->status ? "answer " + std::to_string(done->http_status) + " " + done->body
                          : std::string("failed ") + to_string(done->status.error().kind) + ": " +
                                done->status.error().message);
  } else if (std::holds_alternative<port::StopRequested>(event)) {
    remember("stop");
    if (!on_event_) stop();
  }
  if (on_event_) on_event_(event, effects);
  if (std::holds_alternative<port::StopRequested>(event)) stop();
}

void ScriptedMachine::fail_with(std::string why) {
  failure_ = std::move(why);
  phase_ = MachinePhase::kFailed;
}

std::vector<std::string> ScriptedMachine::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

size_t ScriptedMachine::count(const std::string& what) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count(seen_.begin(), seen_.end(), what));
}

std::string ScriptedMachine::closed_because() const {
  const std::lock_guard lock(mutex_);
  for (const std::string& what : seen_) {
    if (what.starts_with("closed: ")) return what.substr(8);
  }
  return "";
}

void ScriptedMachine::remember(std::string what) {
  const std::lock_guard lock(mutex_);
  seen_.push_back(std::move(what));
}

RunningDriver::RunningDriver(Machine& machine,
                             const std::function<void(DriverConfig&)>& configure) {
  DriverConfig config;
  config.listeners = {{"test", "127.0.0.1", 0}};
  config.admin = HttpConfig{};
  config.admin->port = 0;
  config.disk.directory = folder_.path();
  if (configure) configure(config);
  auto driver = Driver::open(config, machine, log_, calls_);
  CHECK(driver.has_value());
  driver_ = std::move(*driver);
  thread_ = std::thread([this] { exit_code_ = driver_->run(); });
}

RunningDriver::~RunningDriver() {
  stop();
}

int RunningDriver::stop() {
  if (thread_.joinable()) (void)::eventfd_write(driver_->stop_descriptor(), 1);
  return join();
}

int RunningDriver::join() {
  if (thread_.joinable()) thread_.join();
  return exit_code_;
}

void echo(const port::Event& event, port::Effects& effects) {
  if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
    const Buffer prefix =
        Buffer::copy_of(frame_bytes(std::string(frame->frame.text())).substr(0, 4));
    effects.add(port::Send{frame->connection, {prefix, frame->frame}});
  }
}

}  // namespace magpie::os
