#include "admin/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "admin/label_value.h"
#include "admin/test_bench.h"
#include "source_tree/source_dir.h"

namespace magpie::admin {
namespace {

struct Family {
  std::string type;
  std::set<std::string> labels;
  std::map<std::string, std::string> samples;  // labels as written → value

  bool operator==(const Family& other) const {
    return type == other.type && labels == other.labels;
  }
};
using Families = std::map<std::string, Family>;

// Reads the exposition format as strictly as Prometheus does, and complains about everything else.
Families parse(const std::string& text) {
  static const std::regex kHelp(R"(# HELP (magpie_[a-z_]+) \S.*)");
  static const std::regex kType(R"(# TYPE (magpie_[a-z_]+) (counter|gauge))");
  static const std::regex kSample(R"((magpie_[a-z_]+)(?:\{([^\n]+)\})? (-?[0-9]+))");
  static const std::regex kLabel(R"lit(([a-z_]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$))lit");
  Families families;
  std::string current;
  std::istringstream lines(text);
  EXPECT_TRUE(text.ends_with("\n"));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      current = match[1];
      EXPECT_TRUE(families.emplace(current, Family{}).second) << current << " comes twice";
    } else if (std::regex_match(line, match, kType)) {
      EXPECT_EQ(match[1], current);
      families[current].type = match[2];
    } else if (std::regex_match(line, match, kSample)) {
      EXPECT_EQ(match[1], current);
      std::string labels = match[2];
      const std::string value = match[3];
      EXPECT_TRUE(families[current].samples.emplace(labels, value).second) << line;
      for (std::smatch label; !labels.empty(); labels = label.suffix()) {
        const bool well_formed =
            std::regex_search(labels, label, kLabel, std::regex_constants::match_continuous);
        EXPECT_TRUE(well_formed) << line;
        if (!well_formed) break;
        families[current].labels.insert(label[1]);
      }
    } else {
      ADD_FAILURE() << "not a line of the format: " << line;
    }
  }
  return families;
}

// The table of the page: name, type, labels.
Families documented() {
  std::ifstream file(MAGPIE_SOURCE_DIR "/docs/operations/metrics.md");
  static const std::regex kRow(R"(\| `(magpie_[a-z_]+)` \| (\w+) \| ([^|]+) \| [^|]+ \|)");
  static const std::regex kWord("[a-z_]+");
  Families families;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, kRow)) continue;
    Family family{match[2], {}, {}};
    const std::string labels = match[3];
    for (std::sregex_iterator at(labels.begin(), labels.end(), kWord), end; at != end; ++at) {
      family.labels.insert(at->str());
    }
    families[match[1]] = family;
  }
  return families;
}

// A node on which every metric has a sample.
class Metrics : public testing::Test {
 protected:
  Metrics() {
    bench.create_topic("orders", 2);
    bench.produce("orders", 1, 5);
    bench.commit("readers", "orders", 1, 2);
    bench.statistics.requests[0] = 3;
    bench.regions = [] {
      RegionsStatus status;
      status.led.push_back({.group = "pay", .epoch = LeaderEpoch{4}, .exposed_records = 7});
      status.led.back().members = {{NodeId{2}, true, 5}, {NodeId{3}, false, std::nullopt}};
      status.links = {{.node = NodeId{2}, .up = true, .round_trip = Duration::milliseconds(40)},
                      {.node = NodeId{3}}};
      status.links[0].sent_bytes["pay"] = 900;
      status.links[0].sent_wire_bytes["pay"] = 300;
      status.links[1].received_wire_bytes["bulk"] = 20;
      status.links[1].incompatible = true;
      status.links[1].received_bytes["bulk"] = 30;
      return status;
    };
  }

  HttpAnswer page() { return bench.get("/metrics"); }
  std::string value(const std::string& name, const std::string& labels = "") {
    return parse(page().text).at(name).samples.at(labels);
  }

  TestBench bench;
};

TEST_F(Metrics, WhatIsExposedAndWhoLags) {
  EXPECT_EQ(value("magpie_failover_group_exposed_records", R"(failover_group="pay")"), "7");
  EXPECT_EQ(value("magpie_failover_group_member_lag_records", R"(failover_group="pay",node="2")"),
            "5");
  EXPECT_EQ(value("magpie_link_up", R"(node="3")"), "0");
  EXPECT_EQ(value("magpie_link_sent_bytes_total", R"(failover_group="pay",node="2")"), "900");
  EXPECT_EQ(value("magpie_link_received_bytes_total", R"(failover_group="bulk",node="3")"), "30");
  EXPECT_EQ(value("magpie_link_sent_wire_bytes_total", R"(failover_group="pay",node="2")"), "300");
  EXPECT_EQ(value("magpie_link_received_wire_bytes_total", R"(failover_group="bulk",node="3")"),
            "20");
  EXPECT_EQ(value("magpie_link_incompatible", R"(node="2")"), "0");
  EXPECT_EQ(value("magpie_link_incompatible", R"(node="3")"), "1");
  EXPECT_EQ(value("magpie_link_round_trip_microseconds", R"(node="2")"), "40000");
  EXPECT_FALSE(parse(page().text)
                   .at("magpie_failover_group_member_lag_records")
                   .samples.contains(R"(failover_group="pay",node="3")"));
}

TEST_F(Metrics, ThePageOfMetricsListsExactlyWhatIsThere) {
  const Families emitted = parse(page().text);
  const Families listed = documented();
  for (const auto& [name, family] : emitted) {
    ASSERT_TRUE(listed.contains(name)) << name << " is missing in docs/operations/metrics.md";
    EXPECT_EQ(listed.at(name).type, family.type) << name;
    EXPECT_EQ(listed.at(name).labels, family.labels) << name;
    EXPECT_EQ(family.type == "counter", name.ends_with("_total")) << name;
    EXPECT_FALSE(family.samples.empty()) << name;
  }
  for (const auto& [name, family] : listed) {
    EXPECT_TRUE(emitted.contains(name)) << name << " is listed and never written";
  }
}

TEST_F(Metrics, TheContentTypeNamesTheFormat) {
  EXPECT_EQ(page().status, 200);
  EXPECT_EQ(page().content_type, "text/plain; version=0.0.4");
}

TEST_F(Metrics, LagIsWhatIsLeftToRead) {
  const std::string labels = R"(group="readers",topic="orders",partition="1")";
  EXPECT_EQ(value("magpie_group_lag", labels), "3");
  EXPECT_EQ(value("magpie_group_committed", labels), "2");
  bench.produce("orders", 1, 4);
  EXPECT_EQ(value("magpie_group_lag", labels), "7");
  bench.commit("readers", "orders", 1, 100);  // beyond the end, as after a loss
  EXPECT_EQ(value("magpie_group_lag", labels), "0");
}

TEST_F(Metrics, LagOfAPartitionThatIsNotReadableIsLeftOut) {
  bench.commit("readers", "gone", 0, 2);
  const Families families = parse(page().text);
  const std::string labels = R"(group="readers",topic="gone",partition="0")";
  EXPECT_TRUE(families.at("magpie_group_committed").samples.contains(labels));
  EXPECT_FALSE(families.at("magpie_group_lag").samples.contains(labels));
}

TEST_F(Metrics, TroubleShows) {
  const std::string labels = R"(topic="orders",partition="1")";
  EXPECT_EQ(value("magpie_ready"), "1");
  EXPECT_EQ(value("magpie_partition_online", labels), "1");
  EXPECT_EQ(value("magpie_cluster_state_writable"), "1");
  bench.fail_disk("orders", 1, "disk full");
  bench.storage_error = "disk full";
  bench.serving = false;
  EXPECT_EQ(value("magpie_ready"), "0");
  EXPECT_EQ(value("magpie_partition_online", labels), "0");
  EXPECT_EQ(value("magpie_partition_readable", labels), "1");
  EXPECT_EQ(value("magpie_cluster_state_writable"), "0");
}

TEST_F(Metrics, RequestsAreCountedByName) {
  bench.statistics.requests[3] = 8;
  EXPECT_EQ(value("magpie_requests_total", R"(api="Produce")"), "3");
  EXPECT_EQ(value("magpie_requests_total", R"(api="Metadata")"), "8");
}

TEST_F(Metrics, NoGroupNameBreaksThePage) {
  const std::vector<std::string> names = {"with \"quotes\"", "back\\slash",  "two\nlines", "",
                                          "\xff\xfe",        "\xe9\x9b\x80", "tab\tand\r"};
  for (const std::string& name : names) bench.commit(name, "orders", 1, 0);
  const Families families = parse(page().text);
  EXPECT_EQ(families.at("magpie_group_lag").samples.size(), names.size() + 1);
}

TEST(LabelValue, WhatIsNotUtf8IsWrittenAsCodes) {
  EXPECT_EQ(label_value("plain"), "plain");
  EXPECT_EQ(label_value("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  EXPECT_EQ(label_value("\xc3\xa9\xe9\x9b\x80\xf0\x9f\x90\xa6"),
            "\xc3\xa9\xe9\x9b\x80\xf0\x9f\x90\xa6");
  EXPECT_EQ(label_value("\xff"), "\\\\xff");
  EXPECT_EQ(label_value("\xc3"), "\\\\xc3");             // cut off
  EXPECT_EQ(label_value("\xc0\x80"), "\\\\xc0\\\\x80");  // overlong
  EXPECT_EQ(label_value("\xe0\x80\x80"), "\\\\xe0\\\\x80\\\\x80");
  EXPECT_EQ(label_value("\xed\xa0\x80"), "\\\\xed\\\\xa0\\\\x80");  // a surrogate
  EXPECT_EQ(label_value("\xf4\x90\x80\x80"), "\\\\xf4\\\\x90\\\\x80\\\\x80");
  EXPECT_EQ(label_value("\xe9x"), "\\\\xe9x");
}

}  // namespace
}  // namespace magpie::admin
