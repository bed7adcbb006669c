// Golden conversations: testdata/*.txt hold commands and everything the coordinator said. After a
// wanted change of behaviour run with MAGPIE_REWRITE=1 and review the difference.
#include "group/conversation.h"
#include "source_tree/source_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace magpie::group {
namespace {

// Commands up to a line "----", what was said up to an empty line; lines with # are comments.
std::string replay(std::istream& script) {
  Conversation conversation;
  std::string written;
  std::string line;
  while (std::getline(script, line)) {
    const bool is_command = !line.empty() && line[0] != '#';
    written += line + "\n";
    if (!is_command) continue;
    std::string said = conversation.play(line);
    while (std::getline(script, line) && line != "----") {
      written += line + "\n";
      said += conversation.play(line);
    }
    written += "----\n" + said + "\n";
    while (std::getline(script, line) && !line.empty()) {
    }
  }
  return written;
}

class ConversationTest : public testing::TestWithParam<const char*> {};

TEST_P(ConversationTest, GoesAsWritten) {
  const std::string path =
      std::string(MAGPIE_SOURCE_DIR "/src/group/testdata/") + GetParam() + ".txt";
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path;
  std::ostringstream expected;
  expected << file.rdbuf();
  std::istringstream script(expected.str());
  const std::string written = replay(script);
  if (std::getenv("MAGPIE_REWRITE") != nullptr) {
    std::ofstream(path) << written;
  } else {
    EXPECT_EQ(written, expected.str());
  }
}

INSTANTIATE_TEST_SUITE_P(Testdata, ConversationTest,
                         testing::Values("cooperative", "expiry", "failed_appends", "fencing",
                                         "leave", "restart", "static_members", "two_members"));

}  // namespace
}  // namespace magpie::group
