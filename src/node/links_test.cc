#include "node/links.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/keys.h"
#include "control/region_values.h"
#include "kafka/partition_table.h"
#include "link/message.h"

namespace magpie::node {
namespace {

// The links of node 1, which knows node 2 at gz:7100.
class LinksTest : public testing::Test {
 protected:
  LinksTest() {
    control::Node peer;
    peer.id = NodeId{2};
    peer.region = "gz";
    peer.incarnation.bytes.fill(2);
    peer.link = {"gz", 7100};
    const auto known = state_.apply(1, {{control::node_key(peer.id), control::encode_node(peer)}});
    EXPECT_TRUE(known) << known.error().message;
    link::LinkIdentity own;
    own.cluster_id = "orders";
    own.node = NodeId{1};
    links_.start(own, {}, {});
    links_.look_at_nodes(now_, effects_);
  }

  // Node 2 answers the call with a hello of these versions, or not at all.
  void answer(int16_t lowest, int16_t highest) {
    open();
    wire::LinkHello hello;
    hello.lowest_version = lowest;
    hello.highest_version = highest;
    hello.cluster_id = "orders";
    hello.node_id = 2;
    hello.region = "gz";
    hello.incarnation.bytes.fill(2);
    hello.build = "9.1";
    const Buffer frame = flatten(link::encode_frame(hello, link::kLowestVersion));
    links_.received(now_, *called_,
                    frame.slice(link::kFrameSizeBytes, frame.size() - link::kFrameSizeBytes),
                    effects_);
    take();
  }
  void refuse() {
    call();
    links_.closed(now_, *std::exchange(called_, {}), "Connection refused", effects_);
    take();
  }
  admin::LinkStatus status() const { return links_.status().at(0); }

  std::vector<std::string> logged;

 private:
  void call() {
    take();
    if (called_) return;
    now_.instant = links_.next_deadline();
    links_.tick(now_, effects_);
    take();
  }
  void open() {
    call();
    links_.opened(now_, {*called_, {}, "", ""}, effects_);
  }
  void take() {
    for (const port::Effect& effect : std::exchange(effects_.list(), {})) {
      if (const auto* line = std::get_if<port::LogLine>(&effect)) {
        logged.push_back(std::string(line->code) + ": " + line->text);
      } else if (const auto* call = std::get_if<port::Connect>(&effect)) {
        called_ = call->connection;
      } else if (std::holds_alternative<port::CloseConnection>(effect)) {
        called_.reset();
      }
    }
  }

  control::State state_;
  kafka::PartitionTable partitions_;
  NodeCopies copies_{partitions_, state_};
  Links links_{state_, copies_, Random(1)};
  Now now_;
  port::Effects effects_;
  std::optional<port::ConnectionId> called_;
};

TEST_F(LinksTest, ANodeOfAnotherTimeIsSaidToBeOne) {
  refuse();
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_FALSE(status().incompatible);
  answer(link::kHighestVersion + 1, link::kHighestVersion + 2);
  ASSERT_EQ(logged.size(), 2u) << "also after it could not be reached";
  EXPECT_EQ(logged[1],
            "link_incompatible: no link to node 2 at gz:7100: node 2 (9.1) speaks versions 1 to 2 "
            "of the link, this build 0 to 0; upgrade the older of the two; trying again");
  EXPECT_TRUE(status().incompatible);
  answer(link::kHighestVersion + 1, link::kHighestVersion + 2);
  refuse();
  EXPECT_EQ(logged.size(), 2u) << "said once";
  EXPECT_TRUE(status().incompatible) << "as far as is known";
  answer(link::kLowestVersion, link::kHighestVersion + 1);
  EXPECT_FALSE(status().incompatible);
  EXPECT_TRUE(status().up);
  ASSERT_EQ(logged.size(), 3u);
  EXPECT_EQ(logged[2], "link_up: linked to node 2 in gz");
}

}  // namespace
}  // namespace magpie::node
