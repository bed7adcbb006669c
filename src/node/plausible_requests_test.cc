// Thousands of requests that make some sense, from a few clients at once: names that exist, small
// numbers, real batches, member ids the node gave out; with deletions, restarts and time passing in
// between. Whatever comes of it, every answer is well formed and in turn, and the node goes on.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "node/testing/message_fields.h"
#include "node/testing/topics.h"
#include "wire/metadata.h"

namespace magpie::node::testing {
namespace {

using wire::MessageEntry;

// Turns a random message into one that may mean something to the node.
class SenseMaker final : public wire::FieldVisitor {
 public:
  SenseMaker(Random& random, std::vector<std::string>& members)
      : random_(random), members_(members) {}

  void number(const std::string& path, int64_t& value) override {
    if (random_.chance(1, 20)) return;  // as strange as it was
    const std::string name = Field{path, ""}.name();
    value = random_.between(-2, 4);
    if (name.ends_with("_ms")) value = random_.between(0, 20'000);
    if (name == "session_timeout_ms") value = random_.between(6'000, 30'000);
    if (name.ends_with("max_bytes")) value = random_.between(0, 100'000);
    if (name == "resource_type") value = random_.chance(1, 2) ? 2 : 4;
    if (name == "session_epoch") value = random_.between(-1, 1);
    if (name == "timestamp") value = random_.between(-4, 2'000);
  }
  void text(const std::string& path, std::string& value) override {
    if (random_.chance(1, 20)) return;
    const std::string name = Field{path, ""}.name();
    static const std::vector<std::string> topics = {"a", "b", "c", "__consumer_offsets"};
    static const std::vector<std::string> groups = {"g", "h"};
    static const std::vector<std::string> configs = {"cleanup.policy", "retention.ms",
                                                     "max.message.bytes", "segment.bytes"};
    value = one_of(topics);
    if (name == "group_id" || path.starts_with("groups")) value = one_of(groups);
    if (name == "transactional_id") value = "";
    if (name == "member_id") value = members_.empty() ? "" : one_of(members_);
    if (name == "protocol_type") value = "consumer";
    if (name == "protocol_name" || path.starts_with("protocols")) value = "range";
    if (path.find("configs[") != std::string::npos) value = one_of(configs);
    if (name == "value") value = random_.chance(1, 2) ? "compact" : "100000";
    if (name == "group_instance_id") value = random_.chance(1, 4) ? "instance" : "";
  }
  void bytes(const std::string& path, Buffer& value) override {
    if (Field{path, ""}.name() != "records" || random_.chance(1, 20)) return;
    const auto sequence = static_cast<int32_t>(random_.below(4));
    value = random_.chance(1, 2) ? batch_of({"value", "another"}, 1'000)
                                 : batch_of({"value"}, random_.between(0, 3), 0, sequence);
  }
  void error_code(const std::string&, wire::ErrorCode&) override {}
  void uuid(const std::string&, Uuid&) override {}
  void null(const std::string&) override {}
  void count(const std::string&, size_t) override {}

 private:
  const std::string& one_of(const std::vector<std::string>& list) {
    return list[random_.below(list.size())];
  }

  Random& random_;
  std::vector<std::string>& members_;
};

// One connection and the requests on it that were not answered yet.
struct Caller {
  struct Asked {
    const wire::ApiInfo* api = nullptr;
    int version = 0;
    int32_t correlation_id = 0;
  };
  port::ConnectionId connection;
  int32_t next_id = 1;
  std::deque<Asked> asked;
};

class Crowd {
 public:
  explicit Crowd(uint64_t seed) : random_(seed) {
    harness_.config.limits.partitions = 30;
    harness_.config.limits.groups = 5;
    harness_.config.limits.recent_batches_bytes = 2'000;  // some reads come from the disk
    harness_.boot();
    callers_.resize(3);
    for (Caller& caller : callers_) reconnect(caller);
  }

  void step() {
    Caller& caller = callers_[random_.below(callers_.size())];
    if (!harness_.connection(caller.connection).open) reconnect(caller);
    ask(caller);
    for (Caller& each : callers_) hear(each);
    if (random_.chance(1, 3)) harness_.advance(Duration::milliseconds(random_.between(1, 9'000)));
    if (random_.chance(1, 50)) harness_.disconnect(caller.connection);
    if (random_.chance(1, 300)) restart();
    harness_.disk.hold(random_.chance(1, 4));
    harness_.settle();
  }
  bool is_well() {
    harness_.disk.hold(false);
    harness_.settle();
    return harness_.phase() == Phase::kRunning;
  }
  int answers() const { return answers_; }
  int good_answers() const { return good_answers_; }

 private:
  void reconnect(Caller& caller) { caller = Caller{.connection = harness_.connect()}; }
  void restart() {
    is_well();
    if (random_.chance(1, 2)) {
      harness_.stop();
    } else {
      harness_.crash();
    }
    harness_.boot();
    for (Caller& caller : callers_) reconnect(caller);
  }
  void ask(Caller& caller);
  void hear(Caller& caller);
  void understand(const Caller::Asked& asked, const Buffer& frame);

  Random random_;
  NodeHarness harness_;
  std::vector<Caller> callers_;
  std::vector<std::string> members_;
  int answers_ = 0;
  int good_answers_ = 0;
};

void Crowd::ask(Caller& caller) {
  const auto table = wire::api_table();
  const wire::ApiInfo& api = table[random_.below(table.size())];
  if (api.served.empty()) return;
  const int version = static_cast<int>(random_.between(api.served.low, api.served.high));
  const MessageEntry& message = *find_message(static_cast<int16_t>(api.key), true);
  SenseMaker sense(random_, members_);
  ByteReader in(message.random_bytes(random_, version, version));
  const auto body = message.visit(in, version, sense);
  ASSERT_TRUE(body);
  ByteWriter out;
  wire::begin_request(out, api.key, version, caller.next_id, "crowd");
  out.write_text(body->text());
  const Buffer whole = flatten(wire::finish_request(out));
  caller.asked.push_back({&api, version, caller.next_id++});
  harness_.send(caller.connection, whole.slice(4, whole.size() - 4));
}

void Crowd::hear(Caller& caller) {
  std::string& received = harness_.connection(caller.connection).received;
  while (received.size() >= 4) {
    ByteReader in(Buffer::copy_of(received));
    const Buffer frame = in.read_buffer(static_cast<size_t>(in.read_int32()));
    ASSERT_TRUE(in.ok());
    received.erase(0, 4 + frame.size());
    ByteReader header(frame);
    const int32_t id = header.read_int32();
    // Only a Produce request with acks=0 has no answer.
    while (!caller.asked.empty() && caller.asked.front().correlation_id != id) {
      EXPECT_EQ(caller.asked.front().api->key, wire::ApiKey::kProduce);
      caller.asked.pop_front();
    }
    ASSERT_FALSE(caller.asked.empty()) << "an answer nobody asked for";
    understand(caller.asked.front(), frame);
    caller.asked.pop_front();
  }
}

void Crowd::understand(const Caller::Asked& asked, const Buffer& frame) {
  ByteReader in(frame);
  in.skip(4);
  if (wire::response_header_version(asked.api->key, asked.version) >= 1) in.skip(1);
  const auto fields =
      read_fields(*find_message(static_cast<int16_t>(asked.api->key), false), in, asked.version);
  ASSERT_TRUE(fields) << asked.api->name << " version " << asked.version;
  ++answers_;
  bool good = true;
  for (const Field& field : *fields) {
    EXPECT_NE(field.value, "UNKNOWN_SERVER_ERROR") << asked.api->name << " " << field.path;
    good &= field.name() != "error_code" || field.value == "NONE";
    if (field.path != "member_id" || field.value.size() <= 2) continue;
    members_.push_back(field.value.substr(1, field.value.size() - 2));
    if (members_.size() > 4) members_.erase(members_.begin());
  }
  good_answers_ += good ? 1 : 0;
}

TEST(PlausibleRequests, LeaveTheNodeWellWhateverTheirOrder) {
  int answers = 0;
  int good_answers = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Crowd crowd(seed);
    for (int step = 0; step < 1'000 && !::testing::Test::HasFailure(); ++step) crowd.step();
    EXPECT_TRUE(crowd.is_well());
    answers += crowd.answers();
    good_answers += crowd.good_answers();
  }
  EXPECT_GT(answers, 10'000) << "a test in which nothing happens proves nothing";
  EXPECT_GT(good_answers, 4'000);
}

}  // namespace
}  // namespace magpie::node::testing
