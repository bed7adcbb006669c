#include "server/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "control/identity.h"
#include "source_tree/source_dir.h"

namespace magpie::server {
namespace {

// All problems, one on each line, as an operator sees them.
std::string problems_of(const std::string& yaml, const ConfigFlags& flags = {}) {
  std::string text;
  for (const ConfigProblem& problem : read_config(yaml, "magpie.yaml", flags).problems) {
    text += to_string(problem) + "\n";
  }
  return text;
}

TEST(Config, AnEmptyFileGivesTheDefaults) {
  const ConfigReading reading = read_config("", "magpie.yaml");
  EXPECT_TRUE(reading.problems.empty());
  EXPECT_TRUE(reading.warnings.empty());
  ASSERT_EQ(reading.config.driver.listeners.size(), 1u);
  EXPECT_EQ(reading.config.driver.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(reading.config.driver.listeners[0].port, 9092);
  EXPECT_EQ(reading.config.driver.admin->port, 9094);
  EXPECT_EQ(reading.config.node.listeners[0].port, 9092);
}

TEST(Config, PrintedDefaultsReadBackAsTheDefaults) {
  const ConfigReading reading = read_config(default_config_text(), "defaults");
  for (const ConfigProblem& problem : reading.problems) ADD_FAILURE() << to_string(problem);
  EXPECT_EQ(list_settings(reading.config), list_settings(ServerConfig()));
  ASSERT_EQ(reading.config.listeners.size(), 1u);
  const ListenerSettings expected;
  EXPECT_EQ(reading.config.listeners[0].name, expected.name);
  EXPECT_EQ(reading.config.listeners[0].listen, expected.listen);
  EXPECT_EQ(reading.config.listeners[0].insecure, expected.insecure);
}

// A file with this one setting.
std::string nested(const std::string& path, const std::string& value) {
  std::string yaml;
  size_t begin = 0;
  std::string indent;
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    yaml += indent + path.substr(begin, dot - begin) + ":\n";
    indent += "  ";
    begin = dot + 1;
  }
  return yaml + indent + path.substr(begin) + ": " + value;
}

TEST(Config, EverySettingCanBeChanged) {
  // Each field, printed from a config and read back alone, must arrive in the same field only.
  const auto defaults = list_settings(ServerConfig());
  const std::vector<std::pair<std::string, std::string>> changed = {
      {"node.id", "7"},
      {"node.region", "shanghai"},
      {"node.data", "/data"},
      {"cluster.role", "witness"},
      {"cluster.lease", "5s"},
      {"cluster.store.endpoints", "[http://a:1, https://b:2]"},
      {"cluster.store.tls.key_file", "/key.pem"},
      {"cluster.link.listen", "127.0.0.1:19096"},
      {"cluster.link.advertised", "bj.example:9096"},
      {"cluster.link.routes", "[a:1=b:2]"},
      {"cluster.link.limits", "[a=1MiB]"},
      {"cluster.link.catch_up_limits", "[a=1MiB]"},
      {"storage.fsync", "never"},
      {"storage.fsync_interval", "20ms"},
      {"topics.auto_create", "false"},
      {"topics.deleted_kept", "3h"},
      {"groups.offsets_retention", "1d"},
      {"producers.id_expiration", "2h"},
      {"limits.connections", "17"},
      {"limits.idle_connection", "9m"},
      {"limits.send_queues", "2GiB"},
      {"log.format", "json"},
      {"log.level", "debug"},
  };
  for (const auto& [path, value] : changed) {
    const ConfigReading reading = read_config(nested(path, value), "magpie.yaml");
    // What a cluster needs besides is another test's business.
    EXPECT_TRUE(reading.problems.empty() || path.starts_with("cluster.")) << path;
    const auto settings = list_settings(reading.config);
    for (size_t i = 0; i < settings.size(); ++i) {
      const bool same = settings[i].second == defaults[i].second;
      EXPECT_EQ(same, settings[i].first != path) << path << " and " << settings[i].first;
      if (settings[i].first == path) {
        EXPECT_EQ(settings[i].second, value);
      }
    }
  }
}

TEST(Config, NamesEveryProblemWithLineAndField) {
  EXPECT_EQ(problems_of("node:\n"
                        "  id: one\n"
                        "  regoin: shanghai\n"
                        "limits:\n"
                        "  connections: 0\n"
                        "  idle_connection: 30\n"
                        "  request_size: 5TiB\n"
                        "storage:\n"
                        "  fsync: sometimes\n"
                        "lisseners: []\n"
                        "log:\n"
                        "  level:\n"),
            "magpie.yaml:2: node.id: expected a whole number from 0 to 2147483647, found 'one'\n"
            "magpie.yaml:3: node.regoin: is not a known setting; did you mean 'region'?\n"
            "magpie.yaml:5: limits.connections: expected a whole number from 1 to 1000000, found "
            "'0'\n"
            "magpie.yaml:6: limits.idle_connection: a duration needs a unit: 30s or 30ms, found "
            "'30'\n"
            "magpie.yaml:7: limits.request_size: expected a size from 1KiB to 1GiB, found '5TiB'\n"
            "magpie.yaml:9: storage.fsync: expected one of: always, interval, never, found "
            "'sometimes'\n"
            "magpie.yaml:10: lisseners: is not a known setting; did you mean 'listeners'?\n"
            "magpie.yaml:12: log.level: has no value\n");
}

TEST(Config, PointsToTheSectionWhereASettingBelongs) {
  EXPECT_EQ(problems_of("fsync: always\n"),
            "magpie.yaml:1: fsync: is not a known setting; did you mean 'storage.fsync'?\n");
}

TEST(Config, RefusesASettingThatIsThereTwice) {
  EXPECT_EQ(problems_of("node:\n  id: 1\n  id: 2\n"),
            "magpie.yaml:3: node.id: is there twice; keep one of the two\n");
}

TEST(Config, SaysWhereTheFileStopsBeingYaml) {
  const std::string problems = problems_of("node:\n  id: 1\n\tregion: x\n");
  EXPECT_TRUE(problems.starts_with("magpie.yaml:3: this is not valid YAML: ")) << problems;
  EXPECT_EQ(problems_of("just words"),
            "magpie.yaml:1: expected 'section:' lines at the top of the file\n");
}

TEST(Config, TopicDefaultsAreCheckedLikeTopicSettings) {
  EXPECT_EQ(
      problems_of("topics:\n  defaults:\n    retention.ms: soon\n"),
      "magpie.yaml:3: topics.defaults.retention.ms: it must be a whole number, found 'soon'\n");
  EXPECT_EQ(problems_of("topics:\n  defaults:\n    retenton.ms: 1\n"),
            "magpie.yaml:3: topics.defaults.retenton.ms: is not a known setting; did you mean "
            "'retention.ms'?\n");
  const ConfigReading good =
      read_config("topics:\n  defaults:\n    cleanup.policy: compact\n", "magpie.yaml");
  EXPECT_TRUE(good.problems.empty());
  EXPECT_EQ(good.config.node.topic_defaults.at("cleanup.policy"), "compact");
}

TEST(Config, ListenersHaveAddressesOfTheirOwn) {
  const ConfigReading reading = read_config(
      "listeners:\n"
      "  - name: internal\n"
      "    listen: 127.0.0.1:19092\n"
      "  - name: external\n"
      "    listen: 0.0.0.0:9092\n"
      "    advertised: kafka.example:29092\n"
      "    insecure: true\n",
      "magpie.yaml");
  EXPECT_TRUE(reading.problems.empty());
  ASSERT_EQ(reading.config.node.listeners.size(), 2u);
  EXPECT_EQ(reading.config.node.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(reading.config.node.listeners[1].host, "kafka.example");
  EXPECT_EQ(reading.config.node.listeners[1].port, 29092);
  EXPECT_EQ(reading.config.driver.listeners[1].host, "0.0.0.0");
  ASSERT_EQ(reading.warnings.size(), 1u);
  EXPECT_NE(reading.warnings[0].find("0.0.0.0:9092"), std::string::npos);
}

TEST(Config, ListenerProblems) {
  EXPECT_EQ(problems_of("listeners:\n"
                        "  - name: a\n"
                        "    listen: 127.0.0.1\n"
                        "  - name: a\n"
                        "    listn: 127.0.0.1:9094\n"
                        "  - listen: 127.0.0.1:9094\n"),
            "magpie.yaml:3: listeners[0].listen: expected HOST:PORT such as 127.0.0.1:9092 or "
            "[::1]:9092, found '127.0.0.1'\n"
            "magpie.yaml:4: listeners[1].listen: is missing\n"
            "magpie.yaml:4: listeners[1].name: 'a' is the name of another listener\n"
            "magpie.yaml:4: listeners[1].listen: 127.0.0.1:9092 is used twice\n"
            "magpie.yaml:5: listeners[1].listn: is not a known setting; did you mean 'listen'?\n"
            "magpie.yaml:6: listeners[2].name: is missing\n"
            "magpie.yaml:6: listeners[2].listen: 127.0.0.1:9094 is used twice\n");
}

TEST(Config, ListeningBeyondLoopbackMustBeIntended) {
  EXPECT_EQ(problems_of("admin:\n  listen: 10.0.0.1:9094\n"),
            "magpie.yaml:2: admin.listen: 10.0.0.1:9094 can be reached from other machines, and "
            "there is no encryption and no authentication yet: whoever can reach it could do "
            "anything. Listen on 127.0.0.1, or write 'insecure: true' beside it (with flags: "
            "--insecure) if the network is trusted\n");
  EXPECT_EQ(problems_of("listeners:\n  - name: a\n    listen: 0.0.0.0:9092\n    insecure: true\n"),
            "magpie.yaml:2: listeners[0].advertised: is missing: 0.0.0.0 stands for every address "
            "of this machine, so clients must be told which one to use\n");
}

TEST(Config, SettingsThatContradictEachOther) {
  EXPECT_EQ(problems_of("groups:\n  session_timeout_min: 1h\n  session_timeout_max: 1m\n"),
            "magpie.yaml:2: groups.session_timeout_min: must not be longer than "
            "groups.session_timeout_max\n");
  EXPECT_EQ(problems_of("limits:\n  send_queues: 1MiB\n"),
            "magpie.yaml:2: limits.send_queues: must not be smaller than "
            "limits.send_queue_per_connection\n");
}

TEST(Config, TopicDefaultsMustNotContradictEachOther) {
  EXPECT_EQ(problems_of("topics:\n  defaults:\n    min.compaction.lag.ms: 5\n"
                        "    max.compaction.lag.ms: 4\n"),
            "magpie.yaml:3: topics.defaults.min.compaction.lag.ms: min.compaction.lag.ms (5) is "
            "larger than max.compaction.lag.ms (4)\n");
}

// Whatever the check of the file lets pass, the node must accept as the id of its cluster.
TEST(Config, ClusterIdsAreNoLooserThanTheNodes) {
  for (const std::string id : {"", "my cluster", "caf\xc3\xa9", "a/b", "a\tb"}) {
    EXPECT_NE(problems_of("node:\n  cluster: \"" + id + "\"\n").find("magpie.yaml:2: node.cluster"),
              std::string::npos)
        << id;
  }
  for (const std::string& id : {std::string("a.b_c-9"), std::string(249, 'x')}) {
    EXPECT_EQ(problems_of("node:\n  cluster: " + id + "\n"), "");
    EXPECT_EQ(control::cluster_id_problem(id), std::nullopt);
  }
}

TEST(Config, FlagsOverrideTheFile) {
  const std::string yaml =
      "node:\n  data: /from/file\nlisteners:\n  - name: a\n    listen: 0.0.0.0:1\n";
  ConfigFlags flags;
  flags.data = "/from/flag";
  flags.kafka = "127.0.0.1:19092";
  flags.advertised = "broker.example:9092";
  flags.admin = "127.0.0.1:19094";
  const ConfigReading reading = read_config(yaml, "magpie.yaml", flags);
  EXPECT_TRUE(reading.problems.empty());
  EXPECT_EQ(reading.config.driver.disk.directory, "/from/flag");
  ASSERT_EQ(reading.config.driver.listeners.size(), 1u);
  EXPECT_EQ(reading.config.driver.listeners[0].port, 19092);
  EXPECT_EQ(reading.config.node.listeners[0].host, "broker.example");
  EXPECT_EQ(reading.config.driver.admin->port, 19094);
}

TEST(Config, FlagProblemsNameTheFlag) {
  ConfigFlags flags;
  flags.kafka = "9092";
  EXPECT_EQ(problems_of("", flags),
            "--kafka: expected HOST:PORT such as 127.0.0.1:9092 or [::1]:9092, found '9092'\n");
}

TEST(Config, AFileThatCannotBeReadIsAProblemLikeAnyOther) {
  const ConfigReading reading = read_config_file("/nonexistent/magpie.yaml");
  ASSERT_EQ(reading.problems.size(), 1u);
  EXPECT_EQ(to_string(reading.problems[0]),
            "/nonexistent/magpie.yaml: cannot be read: No such file or directory");
}

TEST(Config, TheDocumentationNamesEverySettingWithItsDefault) {
  std::ostringstream page;
  page << std::ifstream(MAGPIE_SOURCE_DIR "/docs/operations/configuration.md").rdbuf();
  for (const auto& [path, value] : list_settings(ServerConfig())) {
    const std::string row = "| `" + path + "` | `" + value + "` |";
    EXPECT_NE(page.str().find(row), std::string::npos) << "missing: " << row;
  }
}

}  // namespace
}  // namespace magpie::server
