#include "node/testing/answer_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "wire/api_key.h"

namespace magpie::node::testing {
namespace {

using Names = std::set<std::string, std::less<>>;

// Fields that say who and where, and so differ from one broker to the next.
const Names& names_that_differ() {
  static const Names names = {
      "host",          "port", "cluster_id", "rack",
      "topic_id",       // drawn at random
      "producer_id",    // given out in blocks
      "leader_epoch",   // counts the starts of this node
      "error_message",  // for people
  };
  return names;
}

// The topic of the groups: this node has it from its first start on, Kafka from the first group on.
constexpr std::string_view kGroupsTopic = "topics[\"__consumer_offsets\"]";

// Path to value. Elements of arrays go by their own name or number instead of their position, as
// brokers list topics and partitions in any order: topics["t"].partitions[3].leader_id.
using Values = std::map<std::string, std::string>;

std::string rename(const std::string& path, const std::map<std::string, std::string>& keys) {
  std::string renamed;
  size_t start = 0;
  for (size_t end = path.find(']'); end != std::string::npos; end = path.find(']', start)) {
    std::string segment = path.substr(start, end + 1 - start);
    const auto key = keys.find(path.substr(0, end + 1));
    if (key != keys.end()) {
      segment = segment.substr(0, segment.rfind('[') + 1) + key->second + "]";
    }
    renamed += segment;
    start = end + 1;
  }
  return renamed + path.substr(start);
}

Values by_key(const std::vector<Field>& fields) {
  static const Names key_names = {"name",      "topic", "partition_index",
                                  "partition", "index", "group_id"};
  std::map<std::string, std::string> keys;  // "topics[0]" to "\"t\""
  for (const Field& field : fields) {
    const size_t end = field.path.rfind("].");
    if (end == std::string::npos || !key_names.contains(field.path.substr(end + 2))) continue;
    keys.emplace(field.path.substr(0, end + 1), field.value);
  }
  Values values;
  for (const Field& field : fields) values[rename(field.path, keys)] = field.value;
  return values;
}

const std::string& value_at(const Values& values, const std::string& path) {
  static const std::string nothing = "nothing";
  const auto found = values.find(path);
  return found == values.end() ? nothing : found->second;
}

// Topics that the recorded broker was about to create: Kafka first says that there is none, or that
// nobody leads it yet. This node has created it before it answers.
std::set<std::string> topics_to_come(int16_t api_key, const Values& recorded, const Values& ours) {
  std::set<std::string> prefixes;
  if (api_key != static_cast<int16_t>(wire::ApiKey::kMetadata)) return prefixes;
  for (const auto& [path, value] : recorded) {
    if ((value == "UNKNOWN_TOPIC_OR_PARTITION" || value == "LEADER_NOT_AVAILABLE") &&
        value_at(ours, path) == "NONE") {
      prefixes.insert(path.substr(0, path.rfind('.') + 1));
    }
  }
  return prefixes;
}

bool may_differ(const std::string& path, const std::string& recorded, const std::string& ours) {
  const std::string name = Field{path, ""}.name();
  if (names_that_differ().contains(name) || path.starts_with(kGroupsTopic)) return true;
  // Which name it is differs; whether there is one does not.
  return is_given_out(name) && (recorded == "\"\"") == (ours == "\"\"");
}

}  // namespace

bool is_given_out(const std::string& field_name) {
  return field_name == "member_id" || field_name == "leader";
}

bool says_not_ready(const std::vector<Field>& answer) {
  static const Names errors = {"COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS",
                               "NOT_COORDINATOR"};
  return std::any_of(answer.begin(), answer.end(), [](const Field& field) {
    return field.name() == "error_code" && errors.contains(field.value);
  });
}

std::string differences(int16_t api_key, const std::vector<Field>& recorded,
                        const std::vector<Field>& ours) {
  const Values theirs = by_key(recorded);
  const Values here = by_key(ours);
  const std::set<std::string> skipped = topics_to_come(api_key, theirs, here);
  std::set<std::string> paths;
  for (const auto& [path, value] : theirs) paths.insert(path);
  for (const auto& [path, value] : here) paths.insert(path);
  const bool lists_topics = here.contains("topics[\"__consumer_offsets\"].name");
  std::string text;
  for (const std::string& path : paths) {
    const std::string& before = value_at(theirs, path);
    const std::string& now = value_at(here, path);
    if (before == now || may_differ(path, before, now)) continue;
    if (lists_topics && path == "topics") continue;
    if (std::any_of(skipped.begin(), skipped.end(),
                    [&](const std::string& prefix) { return path.starts_with(prefix); })) {
      continue;
    }
    text += fmt::format("\n    {}: recorded {}, here {}", path, before, now);
  }
  return text;
}

}  // namespace magpie::node::testing
