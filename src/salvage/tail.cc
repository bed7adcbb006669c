#include "salvage/tail.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace magpie::salvage {
namespace {

constexpr int64_t kFormat = 1;
// Of the topic's name in the folder's; the rest takes less than 120 bytes.
constexpr size_t kTopicBytes = 120;

// The fields of one object; remembers whether all were there.
class Fields {
 public:
  explicit Fields(const nlohmann::json& json) : json_(json) {}

  int64_t number(const char* name) {
    const auto found = json_.find(name);
    if (found != json_.end() && found->is_number_integer()) return found->get<int64_t>();
    good_ = false;
    return 0;
  }
  std::string text(const char* name) {
    const auto found = json_.find(name);
    if (found != json_.end() && found->is_string()) return found->get<std::string>();
    good_ = false;
    return "";
  }
  bool good() const { return good_; }

 private:
  const nlohmann::json& json_;
  bool good_ = true;
};

}  // namespace

std::string folder_of(const Tail& tail) {
  return fmt::format("salvage/{}-{}-{}-epoch{}-cut{}-from{}", tail.topic.substr(0, kTopicBytes),
                     tail.partition.value, to_string(tail.topic_id), tail.epoch.value,
                     tail.cut_in.value, tail.from.value);
}

std::string encode_about(const Tail& tail) {
  nlohmann::ordered_json json;
  json["format"] = kFormat;
  json["topic"] = tail.topic;
  json["topic_id"] = to_string(tail.topic_id);
  json["partition"] = tail.partition.value;
  json["failover_group"] = tail.group;
  json["epoch"] = tail.epoch.value;
  json["cut_in_epoch"] = tail.cut_in.value;
  json["from"] = tail.from.value;
  json["to"] = tail.to.value;
  json["batches"] = tail.batches;
  json["records"] = tail.records;
  json["bytes"] = tail.bytes;
  json["cut_at_ms"] = tail.cut_at;
  return json.dump() + "\n";
}

Result<Tail> decode_about(std::string_view path, std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto corrupt = [&] {
    return fail(ErrorKind::kCorrupt, fmt::format("{} is malformed", path));
  };
  if (!json.is_object()) return corrupt();
  Fields fields(json);
  const int64_t format = fields.number("format");
  if (fields.good() && format > kFormat) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{} has format {}, this build reads {}; use the version that wrote it",
                            path, format, kFormat));
  }
  Tail tail;
  tail.topic = fields.text("topic");
  const std::optional<Uuid> id = parse_uuid(fields.text("topic_id"));
  tail.partition.value = static_cast<int32_t>(fields.number("partition"));
  tail.group = fields.text("failover_group");
  tail.epoch.value = static_cast<int32_t>(fields.number("epoch"));
  tail.cut_in.value = static_cast<int32_t>(fields.number("cut_in_epoch"));
  tail.from.value = fields.number("from");
  tail.to.value = fields.number("to");
  tail.batches = fields.number("batches");
  tail.records = fields.number("records");
  tail.bytes = static_cast<uint64_t>(fields.number("bytes"));
  tail.cut_at = fields.number("cut_at_ms");
  if (!fields.good() || !id || format < 1 || tail.to < tail.from) return corrupt();
  tail.topic_id = *id;
  return tail;
}

}  // namespace magpie::salvage
