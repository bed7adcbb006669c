#include "server/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <utility>

namespace magpie::server {

Process::Process(std::vector<std::string> arguments) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::vector<char*> argv = {const_cast<char*>("magpie")};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  id_ = ::fork();
  if (id_ == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execv(MAGPIE_BINARY, argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  output_end_ = ends[0];
}

Process::Process(Process&& other) noexcept
    : id_(std::exchange(other.id_, 0)),
      output_end_(std::exchange(other.output_end_, -1)),
      output_(std::move(other.output_)) {}

Process::~Process() {
  if (id_ > 0) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  if (output_end_ >= 0) ::close(output_end_);
}

bool Process::says(const std::string& text) {
  while (output_.find(text) == std::string::npos) {
    if (!read_more()) return false;
  }
  return true;
}

void Process::signal(int number) {
  ::kill(id_, number);
}

int Process::exit_code() {
  while (read_more()) {
  }
  if (!has_ended_) ::kill(id_, SIGKILL);  // it says nothing and goes on: the test fails, in time
  int status = 0;
  ::waitpid(id_, &status, 0);
  id_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Process::read_more() {
  pollfd entry{output_end_, POLLIN, 0};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(os::kTestDeadline);
  if (::poll(&entry, 1, static_cast<int>(limit.count())) != 1) return false;
  char bytes[4'096];
  const ssize_t count = ::read(output_end_, bytes, sizeof bytes);
  has_ended_ = count <= 0;
  if (has_ended_) return false;
  output_.append(bytes, static_cast<size_t>(count));
  return true;
}

CommandResult run_magpie(std::vector<std::string> arguments) {
  Process process(std::move(arguments));
  const int exit_code = process.exit_code();
  return {exit_code, process.output()};
}

namespace {

uint16_t some_free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace

uint16_t free_port() {
  static uint16_t last = 0;
  uint16_t port = some_free_port();
  while (port == last) port = some_free_port();
  return last = port;
}

HttpReply http(uint16_t port, const std::string& method, const std::string& target,
               const std::string& body) {
  os::TestClient client(port);
  if (!client.connected()) return {};
  client.write(
      fmt::format("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  method, target, body.size(), body));
  const std::string reply = client.read_all();
  const size_t head_end = reply.find("\r\n\r\n");
  if (head_end == std::string::npos) return {};
  return {::atoi(reply.substr(reply.find(' ') + 1, 3).c_str()), reply.substr(head_end + 4)};
}

NodeProcess::NodeProcess(const std::string& folder, const std::string& yaml)
    : kafka_port_(free_port()), admin_port_(free_port()) {
  const std::string path = folder + "/magpie.yaml";
  std::ofstream(path) << fmt::format(
      "node:\n  data: {}/data\nlisteners:\n  - name: kafka\n    listen: {}\nadmin:\n  listen: "
      "{}\n{}",
      folder, loopback(kafka_port_), loopback(admin_port_), yaml);
  process_ = std::make_unique<Process>(std::vector<std::string>{"serve", "--config", path});
}

bool NodeProcess::serves() {
  const bool serving = process_->says(" serving serving ");
  EXPECT_TRUE(serving) << process_->output();
  return serving;
}

int NodeProcess::stop() {
  process_->signal(SIGTERM);
  return process_->exit_code();
}

void NodeProcess::kill() {
  process_->signal(SIGKILL);
  (void)process_->exit_code();
}

int64_t NodeProcess::metric(const std::string& name, const std::string& labels) const {
  const std::string page = http(admin_port_, "GET", "/metrics").body;
  const std::string line =
      "\n" + name + (labels.empty() ? std::string() : "{" + labels + "}") + " ";
  const size_t found = page.find(line);
  return found == std::string::npos ? -1 : ::atoll(page.c_str() + found + line.size());
}

}  // namespace magpie::server
