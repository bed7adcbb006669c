// Data directories that were put back to an earlier state (directory_age.h).
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "control/directory_age.h"
#include "control/store_controller_world.h"

namespace magpie::control {
namespace {

class PutBack : public ::testing::Test {
 protected:
  PutBack() { start(); }

  void start() {
    world_.start(1);
    world_.run_for(Duration::seconds(1));
  }

  std::map<std::string, std::string>& files() { return world_.host(1).disk.files; }
  std::optional<int64_t> known_age() {
    if (!world_.host(2).controller) world_.start(2);
    const State& state = world_.host(2).controller->state();
    const Node* node = state.find_node(NodeId{1});
    const auto found =
        state.entries().find(directory_age_key(NodeId{1}, node->first_incarnation()));
    if (found == state.entries().end()) return std::nullopt;
    return decode_known_age(found->second.value);
  }
  bool is_refused() {
    const auto& failed = world_.host(1).failed;
    return failed && failed->message.find("put back") != std::string::npos;
  }

  testing::StoreControllerWorld world_;
};

TEST_F(PutBack, TheStoreKnowsTheAgeThatTheDiskHas) {
  EXPECT_EQ(files().at(std::string(kDirectoryAgePath)), encode_age_file(1));
  EXPECT_EQ(known_age(), 1);
  world_.run_for(Duration::seconds(121));
  EXPECT_EQ(files().at(std::string(kDirectoryAgePath)), encode_age_file(3));
  EXPECT_EQ(known_age(), 3);
}

TEST_F(PutBack, ADirectoryIsRefusedOnceTheStoreKnewItOlder) {
  const auto snapshot = files();
  world_.run_for(Duration::seconds(61));
  world_.kill(1);
  files() = snapshot;
  start();
  EXPECT_TRUE(is_refused());
  EXPECT_FALSE(world_.host(1).ready);
  EXPECT_EQ(files(), snapshot) << "it may be the only copy of something";
}

TEST_F(PutBack, ADirectoryOfBeforeTheLastStartIsRefused) {
  world_.kill(1);
  const auto snapshot = files();
  start();
  world_.kill(1);
  files() = snapshot;
  start();
  EXPECT_TRUE(is_refused());
}

TEST_F(PutBack, OneThatStartedWithoutTheStoreEndsWhenTheStoreIsRead) {
  const auto snapshot = files();
  world_.run_for(Duration::seconds(61));
  world_.kill(1);
  files() = snapshot;
  world_.host(1).cut_off = true;
  start();
  world_.run_for(Duration::seconds(20));
  ASSERT_TRUE(world_.host(1).ready) << "it serves from its copy";
  world_.host(1).cut_off = false;
  world_.run_for(Duration::seconds(20));
  EXPECT_TRUE(is_refused());
  EXPECT_FALSE(world_.host(1).controller->lease_valid_until());
}

TEST_F(PutBack, AnEarlierDirectoryOfTheNodeIsRefusedToo) {
  const auto snapshot = files();
  world_.run_for(Duration::seconds(61));
  world_.kill(1);
  files().clear();
  world_.run_for(Duration::seconds(15));  // the lease of the former one
  start();
  ASSERT_TRUE(world_.host(1).ready);
  world_.kill(1);
  files() = snapshot;
  world_.run_for(Duration::seconds(15));
  start();
  EXPECT_TRUE(is_refused());
}

TEST_F(PutBack, AnAgeThatTheStoreWasNotToldIsNoReason) {
  world_.kill(1);
  files()[std::string(kDirectoryAgePath)] = encode_age_file(2);
  start();
  EXPECT_TRUE(world_.host(1).ready);
  EXPECT_EQ(known_age(), 3);
}

TEST_F(PutBack, ADamagedAgeIsRefusedByName) {
  world_.kill(1);
  files()[std::string(kDirectoryAgePath)] = "7";
  start();
  ASSERT_TRUE(world_.host(1).failed);
  EXPECT_NE(world_.host(1).failed->message.find("control/age"), std::string::npos);
}

}  // namespace
}  // namespace magpie::control
