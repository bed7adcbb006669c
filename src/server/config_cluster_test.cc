// The section `cluster`: what makes a node one of several.
#include <gtest/gtest.h>

#include <fstream>

#include "os/signing.h"
#include "os/testing.h"
#include "server/config.h"

namespace magpie::server {
namespace {

constexpr const char* kNode = "node:\n  id: 3\n  region: sh\n";

class ConfigCluster : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text = "text\n") {
    const std::string path = folder_.file(name);
    std::ofstream(path) << text;
    return path;
  }

  static std::string problems_of(const std::string& yaml, const ConfigFlags& flags = {}) {
    std::string text;
    for (const ConfigProblem& problem : read_config(yaml, "magpie.yaml", flags).problems) {
      text += to_string(problem) + "\n";
    }
    return text;
  }

  os::TempFolder folder_;
};

TEST_F(ConfigCluster, WithoutAStoreTheNodeIsAlone) {
  const ConfigReading reading = read_config("", "magpie.yaml");
  EXPECT_FALSE(reading.config.node.cluster.has_value());
  EXPECT_EQ(reading.config.driver.listeners.size(), 1u);
}

TEST_F(ConfigCluster, FillsInWhatNodeAndDriverNeed) {
  const std::string certificate = file("node.pem");
  const std::string key = file("node.key");
  const std::string authority = file("authority.pem");
  const ConfigReading reading =
      read_config(std::string(kNode) +
                      "cluster:\n"
                      "  role: witness\n"
                      "  lease: 5s\n"
                      "  signing_key_file: " +
                      file("signing.key", os::make_signing_keys()->private_key) +
                      "\n"
                      "  store:\n"
                      "    endpoints: [\"https://10.1.0.5:2379\", \"https://10.2.0.5:2379\"]\n"
                      "    user: magpie\n"
                      "    password_file: " +
                      file("password", "secret\n") + "\n" +
                      "    tls:\n"
                      "      authority_file: " +
                      authority + "\n" +
                      "  link:\n"
                      "    listen: 0.0.0.0:9096\n"
                      "    advertised: sh.example:9096\n"
                      "    certificate_file: " +
                      certificate + "\n" + "    key_file: " + key + "\n" +
                      "    authority_file: " + authority + "\n" +
                      "    routes:\n"
                      "      - bj.example:9096=10.9.0.1:7000\n"
                      "    limits: [gz=50MiB, \"*=200MiB\"]\n"
                      "    catch_up_limits: [gz=1MiB]\n",
                  "magpie.yaml");
  for (const ConfigProblem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
  EXPECT_TRUE(reading.warnings.empty());

  ASSERT_TRUE(reading.config.node.cluster.has_value());
  const node::ClusterConfig& cluster = *reading.config.node.cluster;
  EXPECT_EQ(cluster.store.endpoints,
            (std::vector<std::string>{"https://10.1.0.5:2379", "https://10.2.0.5:2379"}));
  EXPECT_EQ(cluster.store.user, "magpie");
  EXPECT_EQ(cluster.store.password, "secret");
  EXPECT_EQ(cluster.link, (control::Address{"sh.example", 9096}));
  EXPECT_EQ(cluster.link_listener.value, 1u);
  EXPECT_TRUE(cluster.links_encrypted);
  EXPECT_EQ(cluster.region_role, control::RegionRole::kWitness);
  EXPECT_EQ(cluster.lease_seconds, 5);
  EXPECT_EQ(cluster.sign("text").size(), 88u);

  EXPECT_EQ(cluster.link_limits,
            (std::map<std::string, uint64_t, std::less<>>{{"gz", 50 << 20}, {"*", 200 << 20}}));
  EXPECT_EQ(cluster.catch_up_limits.at("gz"), 1u << 20);

  const os::DriverConfig& driver = reading.config.driver;
  ASSERT_EQ(driver.listeners.size(), 2u);
  EXPECT_EQ(driver.listeners[1].kind, os::ListenerKind::kLinks);
  EXPECT_EQ(driver.listeners[1].host, "0.0.0.0");
  ASSERT_TRUE(driver.links.tls.has_value());
  EXPECT_EQ(driver.links.tls->certificate_file, certificate);
  EXPECT_EQ(driver.links.tls->key_file, key);
  EXPECT_EQ(driver.links.tls->authority_file, authority);
  ASSERT_TRUE(driver.http_client.tls.has_value());
  EXPECT_EQ(driver.http_client.tls->authority_file, authority);
  EXPECT_EQ(driver.links.routes.at({"bj.example", 9096}),
            (std::pair<std::string, uint16_t>{"10.9.0.1", 7000}));
}

TEST_F(ConfigCluster, FlagsSuffice) {
  ConfigFlags flags;
  flags.node_id = "2";
  flags.region = "bj";
  flags.cluster = "orders";
  flags.store = "http://127.0.0.1:2379,http://127.0.0.1:3379";
  flags.link = "127.0.0.1:19096";
  const ConfigReading reading = read_config_flags(flags);
  for (const ConfigProblem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
  EXPECT_EQ(reading.config.node.node_id, NodeId{2});
  EXPECT_EQ(reading.config.node.region, "bj");
  EXPECT_EQ(reading.config.node.cluster_id, "orders");
  ASSERT_TRUE(reading.config.node.cluster.has_value());
  EXPECT_EQ(reading.config.node.cluster->store.endpoints.size(), 2u);
  EXPECT_EQ(reading.config.node.cluster->link, (control::Address{"127.0.0.1", 19096}));
  EXPECT_FALSE(reading.config.driver.links.tls.has_value());
}

TEST_F(ConfigCluster, FlagProblemsNameTheFlag) {
  ConfigFlags flags;
  flags.node_id = "two";
  flags.region = "bj";
  flags.store = "127.0.0.1:2379";
  EXPECT_EQ(problems_of("", flags),
            "--node-id: expected a whole number from 0 to 2147483647, found 'two'\n"
            "--store: expected http://HOST:PORT or https://HOST:PORT and nothing after it, found "
            "'127.0.0.1:2379'\n");
}

TEST_F(ConfigCluster, NodesSayWhoAndWhereTheyAre) {
  EXPECT_EQ(problems_of("cluster:\n  store:\n    endpoints: [\"http://127.0.0.1:2379\"]\n"),
            "node.id: is missing (with flags: --node-id): every node of a cluster has a number of "
            "its own\n"
            "node.region: is missing (with flags: --region): the nodes of a cluster say where they "
            "stand\n");
}

TEST_F(ConfigCluster, SettingsThatNobodyWouldReadAreRefused) {
  EXPECT_EQ(problems_of("cluster:\n  link:\n    listen: 127.0.0.1:7\n"),
            "magpie.yaml:3: cluster.link.listen: has no effect, because cluster.store.endpoints "
            "(with flags: --store) names no control store\n");
  ConfigFlags flags;
  flags.witness = true;
  EXPECT_NE(problems_of("", flags).find("cluster.role: has no effect"), std::string::npos);
}

TEST_F(ConfigCluster, UnknownSettingsAndListsOfWrongThings) {
  EXPECT_EQ(problems_of(std::string(kNode) + "cluster:\n"
                                             "  stor:\n"
                                             "  store:\n"
                                             "    endpoint: x\n"
                                             "    endpoints:\n"
                                             "      - http://127.0.0.1:2379\n"
                                             "      - http://127.0.0.1:2379/v3\n"
                                             "    tls:\n"
                                             "      authority_fil: x\n"
                                             "  link:\n"
                                             "    routes: [a:1]\n"),
            "magpie.yaml:5: cluster.stor: is not a known setting; did you mean 'store'?\n"
            "magpie.yaml:7: cluster.store.endpoint: is not a known setting; did you mean "
            "'endpoints'?\n"
            "magpie.yaml:10: cluster.store.endpoints: expected http://HOST:PORT or "
            "https://HOST:PORT and nothing after it, found 'http://127.0.0.1:2379/v3'\n"
            "magpie.yaml:12: cluster.store.tls.authority_fil: is not a known setting; did you mean "
            "'authority_file'?\n"
            "magpie.yaml:14: cluster.link.routes: expected ADVERTISED=REAL, both HOST:PORT, found "
            "'a:1'\n");
}

// Everything of the section but what a test adds to it.
std::string cluster_with(const std::string& more) {
  return std::string(kNode) + "cluster:\n  store:\n    endpoints: http://127.0.0.1:2379\n" + more;
}

TEST_F(ConfigCluster, LinksBeyondLoopbackShowCertificatesOrAreMeantToBeOpen) {
  EXPECT_EQ(problems_of(cluster_with("  link:\n    listen: 10.0.0.1:9096\n")),
            "magpie.yaml:8: cluster.link.listen: 10.0.0.1:9096 can be reached from other machines, "
            "and whoever reaches it could pose as a node. Name certificate_file, key_file and "
            "authority_file, or write 'insecure: true' beside it (with flags: --insecure) if the "
            "network is trusted\n");
  const ConfigReading open = read_config(
      cluster_with("  link:\n    listen: 10.0.0.1:9096\n    insecure: true\n"), "magpie.yaml");
  EXPECT_TRUE(open.problems.empty());
  ASSERT_EQ(open.warnings.size(), 1u);
  EXPECT_NE(open.warnings[0].find("10.0.0.1:9096 without encryption"), std::string::npos);
}

TEST_F(ConfigCluster, CertificatesComeWithAllThreeFilesAndAreThere) {
  EXPECT_EQ(
      problems_of(cluster_with("  link:\n    certificate_file: " + file("a.pem") + "\n" +
                               "    key_file: /nonexistent.pem\n")),
      "magpie.yaml:7: cluster.link.authority_file: is missing: an encrypted link needs "
      "certificate_file, key_file and authority_file, because both sides show who they are\n"
      "magpie.yaml:9: cluster.link.key_file: /nonexistent.pem cannot be read: No such file or "
      "directory\n");
}

TEST_F(ConfigCluster, AnAddressOfALinkIsItsOwn) {
  EXPECT_EQ(problems_of(cluster_with("  link:\n    listen: 127.0.0.1:9094\n")),
            "magpie.yaml:8: cluster.link.listen: 127.0.0.1:9094 is used twice\n");
  EXPECT_NE(problems_of(cluster_with("  link:\n    listen: 0.0.0.0:1\n    insecure: true\n"))
                .find("cluster.link.advertised: is missing: 0.0.0.0 stands for"),
            std::string::npos);
}

TEST_F(ConfigCluster, AUserHasAPassword) {
  EXPECT_EQ(problems_of(cluster_with("    user: magpie\n")),
            "magpie.yaml:5: cluster.store: needs user and password_file together, or neither of "
            "them\n");
  const std::string empty = file("empty", "");
  EXPECT_EQ(problems_of(cluster_with("    user: magpie\n    password_file: " + empty + "\n")),
            "magpie.yaml:8: cluster.store.password_file: cannot be read: " + empty +
                " must be readable and begin with a line that is the password\n");
  EXPECT_NE(problems_of(cluster_with("    user: magpie\n    password_file: /nonexistent\n"))
                .find("/nonexistent is not there, or no file"),
            std::string::npos);
}

TEST_F(ConfigCluster, AStoreWithoutEncryptionIsWarnedAbout) {
  const ConfigReading reading =
      read_config(std::string(kNode) + "cluster:\n  store:\n    endpoints: http://10.0.0.9:2379\n",
                  "magpie.yaml");
  EXPECT_TRUE(reading.problems.empty());
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_NE(reading.warnings[0].find("http://10.0.0.9:2379"), std::string::npos);
  EXPECT_NE(problems_of(cluster_with("    tls:\n      authority_file: " + file("a") + "\n"))
                .find("cluster.store.tls: is only used with endpoints that begin with https://"),
            std::string::npos);
}

TEST_F(ConfigCluster, ALeaseIsWholeSeconds) {
  EXPECT_EQ(problems_of(cluster_with("  lease: 2500ms\n")),
            "magpie.yaml:7: cluster.lease: must be whole seconds\n");
}

}  // namespace
}  // namespace magpie::server
