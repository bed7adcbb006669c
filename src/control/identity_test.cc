#include "control/identity.h"

#include <gtest/gtest.h>

namespace magpie::control {
namespace {

Identity some() {
  Identity identity{"bridge", NodeId{7}, {}, {}};
  identity.incarnation.bytes.fill(0x11);
  return identity;
}

TEST(Identity, IsOneReadableLine) {
  EXPECT_EQ(encode_identity(some()),
            "{\"checksum\":\"dd768f4f\",\"cluster_id\":\"bridge\",\"format\":1,"
            "\"incarnation\":\"EREREREREREREREREREREQ\",\"node_id\":7}\n");
}

TEST(Identity, ComesBackAsItWas) {
  EXPECT_EQ(*decode_identity("identity", encode_identity(some())), some());
}

TEST(Identity, ALaterIncarnationKnowsItsDirectory) {
  Identity later = some();
  later.directory = later.incarnation;
  later.incarnation.bytes.fill(0x22);
  const std::string text = encode_identity(later);
  EXPECT_NE(text.find("\"format\":2"), std::string::npos) << "an older program must not read it";
  EXPECT_EQ(*decode_identity("identity", text), later);
  EXPECT_EQ(later.first(), some().incarnation);
}

TEST(Identity, RefusesAnyFlippedBitAndAnyCut) {
  const std::string good = encode_identity(some());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = decode_identity("identity", bad);
    ASSERT_FALSE(decoded) << "bit " << bit;
    EXPECT_EQ(decoded.error().kind, ErrorKind::kCorrupt);
  }
  // Without its line end the line says the same.
  for (size_t length = 0; length + 1 < good.size(); ++length) {
    ASSERT_FALSE(decode_identity("identity", good.substr(0, length))) << length;
  }
}

TEST(Identity, NamesTheFieldThatDoesNotMatch) {
  EXPECT_TRUE(check_identity("identity", some(), "bridge", NodeId{7}));
  const auto cluster = check_identity("identity", some(), "river", NodeId{7});
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(cluster.error().message,
            "identity: the data directory belongs to cluster_id 'bridge', but 'river' is "
            "configured. Correct cluster_id or the data directory in the configuration");
  const auto node = check_identity("identity", some(), "bridge", NodeId{8});
  ASSERT_FALSE(node);
  EXPECT_NE(node.error().message.find("node_id '7', but '8'"), std::string::npos);
}

}  // namespace
}  // namespace magpie::control
