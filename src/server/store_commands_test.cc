// `magpie store adopt`, `restore` and `status`: a real store, and nodes that answer what each test
// says.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "control/group_values.h"
#include "control/keys.h"
#include "control/region_values.h"
#include "control/values.h"
#include "os/testing.h"
#include "server/fake_node.h"

namespace magpie::server {
namespace {

using nlohmann::json;

// A `magpie store` on a free port.
class StoreProcess {
 public:
  explicit StoreProcess(std::string folder) : folder_(std::move(folder)) { start(); }

  void start() {
    process_ = std::make_unique<Process>(std::vector<std::string>{
        "store", "--data", folder_, "--listen", loopback(port_), "--cluster", "bridge"});
    EXPECT_TRUE(process_->says("store.single")) << process_->output();
    std::smatch found;
    const std::string& said = process_->output();
    if (std::regex_search(said, found, std::regex("id ([0-9]+)"))) id_ = found[1];
  }
  void stop() {
    process_->signal(SIGTERM);
    EXPECT_EQ(process_->exit_code(), 0) << process_->output();
  }
  // Everything in it, as text.
  std::string content() const {
    return http(port_, "POST", "/v3/kv/range",
                R"({"key":"AA==","range_end":"AA==","count_only":true})")
        .body;
  }
  const std::string& id() const { return id_; }
  std::string url() const { return "http://" + loopback(port_); }
  uint16_t port() const { return port_; }

 private:
  std::string folder_;
  uint16_t port_ = free_port();
  std::string id_;
  std::unique_ptr<Process> process_;
};

control::Member member(int node) {
  return {NodeId{node}, {{static_cast<uint8_t>(node)}}};
}

json entries() {
  json entries;
  for (int id = 1; id <= 2; ++id) {
    control::Node node;
    node.id = NodeId{id};
    node.region = id == 1 ? "bj" : "sh";
    node.incarnation = member(id).incarnation;
    node.link = {"host", 1};
    entries[control::region_key(node.region)] = control::encode_region({node.region});
    entries[control::node_key(node.id)] = control::encode_node(node);
  }
  control::Leadership led;
  led.epoch = LeaderEpoch{4};
  led.leader = member(1);
  led.open = true;
  led.promotable = {member(1)};
  entries[control::leadership_key("default")] = control::encode_leadership(led);
  return entries;
}

// What node 1 or 2 answers while it is frozen, having found the store `found`.
json frozen(int node, const std::string& found) {
  json groups = json::object();
  groups["default"] = {{"highest_epoch", 4}, {"leads_in_epoch", nullptr}};
  if (node == 1) groups["default"]["leads_in_epoch"] = 4;
  return {{"cluster", "bridge"},
          {"node", node},
          {"region", node == 1 ? "bj" : "sh"},
          {"incarnation", to_string(member(node).incarnation)},
          {"phase", "running"},
          {"state", "frozen"},
          {"trouble", "another store"},
          {"store", "77"},
          {"revision", node == 1 ? 50 : 49},
          {"found", found},
          {"adopted_up_to", nullptr},
          {"complete", true},
          {"groups", groups},
          {"entries", entries()}};
}

class StoreAdopt : public ::testing::Test {
 protected:
  CommandResult adopt(const std::vector<std::string>& nodes, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"store", "adopt", "--store", store_.url()};
    for (const std::string& node : nodes) arguments.insert(arguments.end(), {"--node", node});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_magpie(std::move(arguments));
  }
  // The code of the error that is printed.
  std::string refusal(const std::vector<std::string>& nodes, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--yes", "-o", "json"});
    const CommandResult result = adopt(nodes, std::move(more));
    const json shown = json::parse(result.output, nullptr, false);
    EXPECT_NE(result.exit_code, 0) << result.output;
    if (!shown.is_object() || !shown.contains("error")) return result.output;
    return shown["error"]["code"].get<std::string>();
  }

  os::TempFolder folder_;
  StoreProcess store_{folder_.path()};
};

TEST_F(StoreAdopt, ShowsThenWritesThenHasNothingToDo) {
  FakeNode one(200, frozen(1, store_.id()));
  FakeNode two(200, frozen(2, store_.id()));
  const std::vector<std::string> nodes = {one.address(), two.address()};
  const std::string before = store_.content();
  for (const char* how : {"--dry-run", "--timeout=20s"}) {
    const CommandResult shown = adopt(nodes, {how});
    EXPECT_EQ(shown.exit_code, how == std::string("--dry-run") ? 0 : 1);
    EXPECT_NE(shown.output.find("gets what store 77 held at revision 50, from the copy of node 1"),
              std::string::npos)
        << shown.output;
    EXPECT_NE(shown.output.find("default  kept"), std::string::npos) << shown.output;
    EXPECT_EQ(store_.content(), before);
  }
  const CommandResult done = adopt(nodes, {"--yes", "-o", "json"});
  ASSERT_EQ(done.exit_code, 0) << done.output;
  const json plan = json::parse(done.output);
  EXPECT_EQ(plan["written"], true);
  EXPECT_EQ(plan["groups"][0]["standing"], "kept");
  EXPECT_EQ(plan["reported"], (json{1, 2}));
  EXPECT_NE(store_.content(), before);
  const CommandResult again = adopt(nodes, {"--yes"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_NE(again.output.find("is adopted already"), std::string::npos) << again.output;
}

TEST_F(StoreAdopt, RefusesWhatCouldLoseSomething) {
  FakeNode one(200, frozen(1, store_.id()));
  FakeNode two(200, frozen(2, store_.id()));
  EXPECT_EQ(refusal({one.address()}), "nodes_missing");
  EXPECT_EQ(refusal({one.address(), two.address()}, {"--without", "2"}), "wrong_argument");
  EXPECT_EQ(refusal({one.address(), one.address()}), "wrong_argument");
  EXPECT_EQ(refusal({one.address(), loopback(free_port())}), "unreachable");

  json odd = frozen(2, store_.id());
  odd["state"] = "current";
  FakeNode works(200, odd);
  EXPECT_EQ(refusal({one.address(), works.address()}), "not_frozen") << "the old store answers";
  odd["store"] = store_.id();
  FakeNode fresh(200, odd);
  EXPECT_EQ(refusal({one.address(), fresh.address()}), "not_frozen") << "nothing was adopted";
  FakeNode elsewhere(200, frozen(2, "5"));
  EXPECT_EQ(refusal({one.address(), elsewhere.address()}), "not_frozen");
  odd = frozen(2, store_.id());
  odd["store"] = store_.id();
  FakeNode same(200, odd);
  EXPECT_EQ(refusal({same.address()}), "not_frozen") << "restored under the same id";
  odd = frozen(2, store_.id());
  odd["store"] = "78";
  FakeNode other(200, odd);
  EXPECT_EQ(refusal({one.address(), other.address()}), "different_stores");
  odd = frozen(2, store_.id());
  odd["cluster"] = "shop";
  FakeNode foreign(200, odd);
  EXPECT_EQ(refusal({one.address(), foreign.address()}), "wrong_argument");
}

TEST_F(StoreAdopt, GoesOnWithoutWhoIsLostAndSaysWhatThatCosts) {
  FakeNode two(200, frozen(2, store_.id()));
  const CommandResult result = adopt({two.address()}, {"--without", "1", "--yes"});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("its leader, node 1, has not reported"), std::string::npos)
      << result.output;
  EXPECT_NE(result.output.find("magpie failover default --allow-loss"), std::string::npos)
      << result.output;
  // Node 1 comes back and has seen more.
  FakeNode one(200, frozen(1, store_.id()));
  EXPECT_EQ(refusal({one.address(), two.address()}), "left_out");
}

TEST_F(StoreAdopt, NamesWhatIsWrongWithItsArguments) {
  EXPECT_EQ(run_magpie({"store", "adopt", "--node", "a:1", "-o", "json"}).exit_code, 1);
  const CommandResult url = run_magpie({"store", "adopt", "--store", "x", "--node", "127.0.0.1:1"});
  EXPECT_NE(url.output.find("--store x"), std::string::npos) << url.output;
  // A store that is not there.
  FakeNode one(200, frozen(1, store_.id()));
  const CommandResult gone =
      run_magpie({"store", "adopt", "--store", "http://" + loopback(free_port()), "--node",
                  one.address(), "--timeout", "1s"});
  EXPECT_EQ(gone.exit_code, 3);
  EXPECT_NE(gone.output.find("error store_failed"), std::string::npos) << gone.output;
}

TEST(StoreRestore, IsAnotherStoreWithTheSameContent) {
  const os::TempFolder folder;
  const std::string old_data = folder.path() + "/old";
  const std::string new_data = folder.path() + "/new";
  StoreProcess old(old_data);
  http(old.port(), "POST", "/v3/kv/put", R"({"key":"YQ==","value":"Yg=="})");
  old.stop();
  const std::string backup = old_data + "/store.db";
  const auto restore = [&](const std::string& data, const char* cluster) {
    return run_magpie({"store", "restore", backup, "--data", data, "--cluster", cluster});
  };
  EXPECT_EQ(restore(new_data, "shop").exit_code, 1) << "another cluster's";
  EXPECT_FALSE(std::filesystem::exists(new_data + "/store.db"));
  const CommandResult done = restore(new_data, "bridge");
  ASSERT_EQ(done.exit_code, 0) << done.output;
  StoreProcess restored(new_data);
  EXPECT_NE(restored.id(), old.id());
  EXPECT_NE(done.output.find(restored.id()), std::string::npos);
  EXPECT_NE(http(restored.port(), "POST", "/v3/kv/range", R"({"key":"YQ=="})").body.find("Yg=="),
            std::string::npos);
  EXPECT_EQ(restore(new_data, "bridge").exit_code, 3) << "in use";
  restored.stop();
  EXPECT_NE(restore(new_data, "bridge").output.find("move it away first"), std::string::npos);
  EXPECT_EQ(restore(folder.path() + "/third", "bridge").exit_code, 0) << "it is as it was";
}

TEST(StoreStatus, SaysWhichStoreTheNodeKnows) {
  FakeNode node(200, frozen(1, "8"));
  const CommandResult result = node.run({"store", "status"});
  EXPECT_EQ(result.output,
            "node 1 in bj: store 77, revision 50: frozen\n"
            "found instead: store 8\n"
            "another store\n");
  EXPECT_EQ(node.asked, "GET /v1/store ");
}

}  // namespace
}  // namespace magpie::server
