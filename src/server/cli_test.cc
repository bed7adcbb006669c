// The `magpie` binary as a user meets it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace magpie::server {
namespace {

constexpr std::chrono::seconds kDeadline{30};

// A running `magpie`; what it writes to both streams is read together.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
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
  ~Process() {
    if (id_ > 0) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
    ::close(output_end_);
  }

  // True once the output contains `text`; false at its end or after the deadline.
  bool says(const std::string& text) {
    while (output_.find(text) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }

  void signal(int number) { ::kill(id_, number); }

  // Waits for the end; the exit code, or -1 if a signal ended it.
  int exit_code() {
    while (read_more()) {
    }
    int status = 0;
    ::waitpid(id_, &status, 0);
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string& output() const { return output_; }

 private:
  bool read_more() {
    pollfd entry{output_end_, POLLIN, 0};
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(kDeadline);
    if (::poll(&entry, 1, static_cast<int>(milliseconds.count())) != 1) return false;
    char bytes[4'096];
    const ssize_t count = ::read(output_end_, bytes, sizeof bytes);
    if (count <= 0) return false;
    output_.append(bytes, static_cast<size_t>(count));
    return true;
  }

  pid_t id_ = 0;
  int output_end_ = -1;
  std::string output_;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    std::string name = (std::filesystem::temp_directory_path() / "magpie-cli-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~CliTest() override { std::filesystem::remove_all(folder_); }

  std::string write_file(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  // An address on loopback that is free at this moment.
  static std::string free_address() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(descriptor);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  std::vector<std::string> serve(const std::string& data) {
    return {"serve",        "--data",  folder_ + "/" + data, "--kafka",
            free_address(), "--admin", free_address()};
  }

  std::string folder_;
};

TEST_F(CliTest, VersionAndHelp) {
  Process version({"version"});
  EXPECT_EQ(version.exit_code(), 0);
  EXPECT_TRUE(version.output().starts_with("magpie 0."));
  Process help({"serve", "--help"});
  EXPECT_EQ(help.exit_code(), 0);
  EXPECT_NE(help.output().find("--kafka"), std::string::npos);
}

TEST_F(CliTest, WrongArgumentsAreRefused) {
  Process nothing({});
  EXPECT_EQ(nothing.exit_code(), 1);
  Process flag({"serve", "--prot", "1"});
  EXPECT_EQ(flag.exit_code(), 1);
  EXPECT_NE(flag.output().find("--prot"), std::string::npos);
  Process address({"serve", "--kafka", "9092"});
  EXPECT_EQ(address.exit_code(), 1);
  EXPECT_EQ(address.output(),
            "magpie: --kafka: expected HOST:PORT such as 127.0.0.1:9092 or [::1]:9092, found "
            "'9092'\nmagpie: not started because of the configuration\n");
}

TEST_F(CliTest, DefaultsPassTheCheck) {
  Process print({"config", "print-defaults"});
  ASSERT_EQ(print.exit_code(), 0);
  const std::string path = write_file("magpie.yaml", print.output());
  Process check({"config", "check", path});
  EXPECT_EQ(check.exit_code(), 0);
  EXPECT_EQ(check.output(), path + ": good\n");
}

TEST_F(CliTest, TheCheckNamesEveryProblem) {
  const std::string path = write_file("magpie.yaml", "nodes:\n  id: 1\nlog:\n  level: loud\n");
  Process check({"config", "check", path});
  EXPECT_EQ(check.exit_code(), 1);
  EXPECT_EQ(check.output(),
            path + ":1: nodes: is not a known setting; did you mean 'node'?\n" + path +
                ":4: log.level: expected one of: debug, info, warning, error, found 'loud'\n" +
                path + ": 2 problems\n");
}

TEST_F(CliTest, ServesUntilItIsAskedToStop) {
  for (int run = 0; run < 2; ++run) {  // the second one opens what the first one left
    Process node(serve("data"));
    ASSERT_TRUE(node.says("start.listening")) << node.output();
    node.signal(SIGTERM);
    EXPECT_EQ(node.exit_code(), 0) << node.output();
    EXPECT_NE(node.output().find("stopped cleanly"), std::string::npos) << node.output();
  }
}

TEST_F(CliTest, ADataDirectoryInUseIsRefusedWithTheHolder) {
  Process first(serve("data"));
  ASSERT_TRUE(first.says("start.listening")) << first.output();
  Process second(serve("data"));
  EXPECT_EQ(second.exit_code(), 3);
  EXPECT_NE(second.output().find("is in use by process "), std::string::npos) << second.output();
}

}  // namespace
}  // namespace magpie::server
