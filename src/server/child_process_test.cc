#include "server/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "os/testing.h"

namespace magpie::server {
namespace {

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(ChildProcess, WritesBothStreamsToItsLogAndInheritsNothing) {
  const os::TempFolder folder;
  const std::string log = folder.file("log");
  const int inherited = ::dup(STDERR_FILENO);
  const auto child =
      start_child({"sh", "-c", "echo out; echo err >&2; ls /proc/self/fd | wc -l"}, log);
  ASSERT_TRUE(child.has_value());
  int status = 0;
  ASSERT_EQ(::waitpid(*child, &status, 0), *child);
  ::close(inherited);
  EXPECT_EQ(ending_text(status), "exit code 0");
  // The fourth descriptor is the one ls reads the folder with.
  EXPECT_EQ(text_of(log), "out\nerr\n4\n");
}

TEST(ChildProcess, AProgramThatIsNotThereIsAnErrorNotAChild) {
  const os::TempFolder folder;
  const auto child = start_child({"no-such-program"}, folder.file("log"));
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().message, "cannot start no-such-program: No such file or directory");
}

TEST(ChildProcess, DiesWithItsParent) {
  const os::TempFolder folder;
  const std::string log = folder.file("log");
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const auto child = start_child({"sleep", "1000"}, log);
    std::ofstream(folder.file("pid")) << (child ? *child : -1) << std::flush;
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  const pid_t child = std::stoi(text_of(folder.file("pid")));
  ASSERT_GT(child, 0);
  // Gone, or dead and not yet collected by whoever adopted it.
  const auto dead = [&] {
    const std::string stat = text_of("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z") != std::string::npos;
  };
  EXPECT_TRUE(os::eventually(dead));
}

TEST(ChildProcess, ASignalIsNamed) {
  const os::TempFolder folder;
  const auto child = start_child({"sleep", "1000"}, folder.file("log"));
  ASSERT_TRUE(child.has_value());
  ::kill(*child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(*child, &status, 0), *child);
  EXPECT_EQ(ending_text(status), "killed by signal 9 (Killed)");
}

}  // namespace
}  // namespace magpie::server
