// What `magpie topic`, `magpie group` and `magpie status` print, letter by letter, and how they
// end. The node is a fake that answers what each test says.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/fake_node.h"
#include "server/testing.h"

namespace magpie::server {
namespace {

using nlohmann::json;

json error_body(const char* code, const char* message, const char* next_step) {
  return {{"error", {{"code", code}, {"message", message}, {"next_step", next_step}}}};
}

const json kStatus = {
    {"cluster_id", "shop"},
    {"node_id", 3},
    {"region", "north"},
    {"phase", "running"},
    {"leader_epoch", 7},
    {"topics", 2},
    {"partitions", {{"hosted", 5}, {"online", 4}, {"read_only", 0}, {"offline", 1}}},
    {"groups", 1},
    {"connections", 12},
    {"problems", {"partition orders-0: checksum"}}};

TEST(StatusCommand, Table) {
  FakeNode node(200, kStatus);
  const CommandResult result = node.run({"status"});
  EXPECT_EQ(result.output,
            "node 3 of shop in north: running, epoch 7\n"
            "topics 2, partitions 5 (4 online, 0 read-only, 1 offline), groups 1, connections 12\n"
            "problem: partition orders-0: checksum\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(node.asked, "GET /v1/status ");
}

TEST(StatusCommand, JsonIsTheAnswerOfTheNode) {
  FakeNode node(200, kStatus);
  const CommandResult result = node.run({"status", "-o", "json"});
  EXPECT_EQ(json::parse(result.output), kStatus);
  EXPECT_EQ(result.exit_code, 0);
}

TEST(TopicCommand, List) {
  FakeNode node(
      200,
      json{
          {"topics",
           {{{"name", "__consumer_offsets"}, {"partitions", 1}, {"id", "AAAA"}, {"internal", true}},
            {{"name", "orders"}, {"partitions", 12}, {"id", "BBBB"}, {"internal", false}}}}});
  EXPECT_EQ(node.run({"topic", "list"}).output,
            "TOPIC               PARTITIONS  ID\n"
            "__consumer_offsets  1           AAAA  internal\n"
            "orders              12          BBBB\n");
}

json deleted_topic() {
  return {{"name", "orders"},   {"id", "BBBB"},           {"partitions", 3},
          {"bytes", 4096},      {"deleted_at_ms", 1'000}, {"kept_until_ms", 61'000},
          {"restoring", false}, {"problem", nullptr}};
}

TEST(TopicCommand, DeletedTopicsAreListed) {
  json stuck = deleted_topic();
  stuck["id"] = "CCCC";
  stuck["problem"] = "it is damaged";
  json on_its_way = deleted_topic();
  on_its_way["id"] = "DDDD";
  on_its_way["restoring"] = true;
  FakeNode some(200, json{{"deleted_topics", {deleted_topic(), stuck, on_its_way}}});
  EXPECT_EQ(
      some.run({"topic", "list", "--deleted"}).output,
      "TOPIC   PARTITIONS  BYTES  ID    DELETED                      KEPT UNTIL\n"
      "orders  3           4096   BBBB  1970-01-01 00:00:01.000 UTC  1970-01-01 00:01:01.000 UTC\n"
      "orders  3           4096   CCCC  1970-01-01 00:00:01.000 UTC  1970-01-01 00:01:01.000 UTC\n"
      "orders  3           4096   DDDD  1970-01-01 00:00:01.000 UTC  is being restored\n"
      "the last restore of CCCC failed: it is damaged\n");
  EXPECT_EQ(some.asked, "GET /v1/deleted-topics ");
  FakeNode none(200, json{{"deleted_topics", json::array()}});
  EXPECT_EQ(none.run({"topic", "list", "--deleted"}).output, "no deleted topics are kept\n");
}

TEST(TopicCommand, DeletedTopicsAreRestored) {
  FakeNode one(200, deleted_topic());
  EXPECT_EQ(one.run({"topic", "restore", "orders"}).output,
            "restored topic orders with its records and the positions of consumer groups\n");
  EXPECT_EQ(one.asked, "POST /v1/deleted-topics/orders/restore ");
  // In a cluster it waits until the topic is led.
  json led = deleted_topic();
  led["restoring"] = true;
  led["deleted_topics"] = json::array();
  FakeNode leading(200, led);
  EXPECT_EQ(leading.run({"topic", "restore", "orders"}).exit_code, 0);
  EXPECT_EQ(leading.asked, "GET /v1/deleted-topics ");
  json kept = deleted_topic();
  kept["problem"] = "it is damaged";
  led["deleted_topics"] = {kept};
  FakeNode failing(200, led);
  const CommandResult failed = failing.run({"topic", "restore", "orders"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_NE(failed.output.find("it is damaged"), std::string::npos) << failed.output;
  EXPECT_NE(failed.output.find("magpie topic restore BBBB"), std::string::npos) << failed.output;
  EXPECT_NE(one.run({"topic", "restore", ""}).output.find("name a deleted topic"),
            std::string::npos);
  FakeNode odd(200, json{{"name", "orders"}});
  EXPECT_EQ(odd.run({"topic", "restore", "orders"}).exit_code, 1) << "not a node";
}

TEST(TopicCommand, DeletedTopicsArePurged) {
  FakeNode one(200, deleted_topic());
  EXPECT_EQ(one.run({"topic", "purge", "BBBB"}).output,
            "purged deleted topic orders with id BBBB\n");
  EXPECT_EQ(one.asked, "DELETE /v1/deleted-topics/BBBB ");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"topic", "purge"}, {"topic", "purge", "orders", "--all"}}) {
    const CommandResult refused = one.run(wrong);
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_NE(refused.output.find("--all"), std::string::npos) << refused.output;
  }
  EXPECT_EQ(
      one.run({"topic", "delete", "orders"}).output,
      "deleted topic orders; until 1970-01-01 00:01:01.000 UTC it can be restored with: magpie "
      "topic restore BBBB\n"
      "its records take room until then; to make room now: magpie topic purge BBBB\n");
  EXPECT_EQ(one.asked, "DELETE /v1/topics/orders ");
  FakeNode all(200, json{{"purged", {deleted_topic(), deleted_topic()}}});
  EXPECT_EQ(all.run({"topic", "purge", "--all"}).output,
            "purged deleted topic orders with id BBBB\npurged deleted topic orders with id BBBB\n");
  EXPECT_EQ(all.asked, "DELETE /v1/deleted-topics ");
  FakeNode none(200, json{{"purged", json::array()}});
  EXPECT_EQ(none.run({"topic", "purge", "--all"}).output, "no deleted topics are kept\n");
  FakeNode gone(200, json{{"name", "orders"}, {"kept_until_ms", nullptr}});
  EXPECT_EQ(gone.run({"topic", "delete", "orders", "--purge"}).output, "deleted topic orders\n");
  EXPECT_EQ(gone.asked, R"(DELETE /v1/topics/orders {"purge":true})");
}

TEST(TopicCommand, Describe) {
  FakeNode node(200, json{{"name", "orders"},
                          {"id", "BBBB"},
                          {"internal", false},
                          {"configs", {{"retention.ms", "60000"}}},
                          {"partitions",
                           {{{"partition", 0},
                             {"state", "online"},
                             {"leader_epoch", 7},
                             {"log_start", 0},
                             {"high_watermark", 1234},
                             {"size_bytes", 56789}},
                            {{"partition", 1},
                             {"state", "offline"},
                             {"leader_epoch", 7},
                             {"failure", "topics/orders-1/0.log: damaged at byte 61"}}}}});
  const CommandResult result = node.run({"topic", "describe", "orders"});
  EXPECT_EQ(result.output,
            "topic orders with id BBBB\n"
            "  retention.ms=60000\n"
            "\n"
            "PARTITION  STATE    EPOCH  START  END   BYTES\n"
            "0          online   7      0      1234  56789\n"
            "1          offline  7      -      -     -\n"
            "problem: partition 1: topics/orders-1/0.log: damaged at byte 61\n");
  EXPECT_EQ(result.exit_code, 0);
}

TEST(TopicCommand, CreateSendsWhatWasAsked) {
  FakeNode node(201, json{{"name", "orders"}, {"id", "BBBB"}, {"partitions", 3}});
  const CommandResult result =
      node.run({"topic", "create", "orders", "--partitions", "3", "--config", "retention.ms=1",
                "--config", "cleanup.policy=compact,delete"});
  EXPECT_EQ(result.output, "created topic orders with 3 partitions\n");
  const std::string start = "POST /v1/topics ";
  ASSERT_EQ(node.asked.substr(0, start.size()), start);
  EXPECT_EQ(json::parse(node.asked.substr(start.size())),
            (json{{"name", "orders"},
                  {"partitions", 3},
                  {"configs", {{"retention.ms", "1"}, {"cleanup.policy", "compact,delete"}}}}));
}

TEST(TopicCommand, AlterSetsBackToTheDefault) {
  FakeNode node(200, json{{"name", "a b"}});
  EXPECT_EQ(node.run({"topic", "alter", "a b", "--config", "retention.ms="}).output,
            "altered topic a b\n");
  EXPECT_EQ(node.asked, R"(PATCH /v1/topics/a%20b {"configs":{"retention.ms":null}})");
}

TEST(TopicCommand, Delete) {
  FakeNode node(200, json{{"name", "orders"}, {"id", "BBBB"}, {"deleted", true}});
  EXPECT_EQ(node.run({"topic", "delete", "orders"}).output, "deleted topic orders\n");
  EXPECT_EQ(node.asked, "DELETE /v1/topics/orders ");
}

TEST(GroupCommand, List) {
  FakeNode node(200, json{{"groups",
                           {{{"group", "鹊"}, {"state", "Stable"}, {"protocol_type", "consumer"}},
                            {{"group", "readers"}, {"state", "Empty"}, {"protocol_type", ""}}}}});
  EXPECT_EQ(node.run({"group", "list"}).output,
            "GROUP    STATE   PROTOCOL\n"
            "鹊        Stable  consumer\n"
            "readers  Empty\n");
}

TEST(GroupCommand, Describe) {
  FakeNode node(
      200,
      json{{"group", "readers"},
           {"state", "Stable"},
           {"protocol_type", "consumer"},
           {"protocol", "range"},
           {"generation", 4},
           {"leader", "app-1"},
           {"members", {{{"member_id", "app-1"}, {"client_id", "app"}, {"host", "/10.0.0.7"}}}},
           {"positions",
            {{{"topic", "gone"}, {"partition", 0}, {"committed", 9}, {"lag", nullptr}},
             {{"topic", "orders"}, {"partition", 1}, {"committed", 40}, {"lag", 2}}}}});
  EXPECT_EQ(node.run({"group", "describe", "readers"}).output,
            "group readers: Stable, generation 4, 1 member\n"
            "\n"
            "MEMBER  CLIENT  HOST\n"
            "app-1   app     /10.0.0.7\n"
            "\n"
            "TOPIC   PARTITION  COMMITTED  LAG\n"
            "gone    0          9          -\n"
            "orders  1          40         2\n");
}

// Names come from clients; they must not take over the terminal of whoever looks at them.
TEST(GroupCommand, ControlCharactersAreShownAsCodes) {
  FakeNode node(
      200, json{{"groups", {{{"group", "\x1b[2J\n"}, {"state", "Empty"}, {"protocol_type", ""}}}}});
  EXPECT_EQ(node.run({"group", "list"}).output,
            "GROUP        STATE  PROTOCOL\n"
            "\\x1b[2J\\x0a  Empty\n");
}

// --- errors --------------------------------------------------------------------------------------

TEST(CommandErrors, TheNodesErrorIsShownWithCodeCauseAndNextStep) {
  struct Case {
    int status;
    std::vector<std::string> arguments;
    json body;
    std::string output;
  };
  const std::vector<Case> cases = {
      {404,
       {"topic", "describe", "orders"},
       error_body("topic_not_found", "there is no topic 'orders'",
                  "list the topics with: magpie topic list"),
       "error topic_not_found: there is no topic 'orders'\n"
       "next: list the topics with: magpie topic list\n"},
      {409,
       {"topic", "create", "orders"},
       error_body("topic_already_exists", "topic 'orders' exists", "choose another name"),
       "error topic_already_exists: topic 'orders' exists\nnext: choose another name\n"},
      {400,
       {"topic", "alter", "orders", "--config", "retention.ms=soon"},
       error_body("invalid_config", "retention.ms must be a number", "correct the request"),
       "error invalid_config: retention.ms must be a number\nnext: correct the request\n"},
  };
  for (const Case& one : cases) {
    FakeNode node(one.status, one.body);
    const CommandResult table = node.run(one.arguments);
    EXPECT_EQ(table.output, one.output);
    EXPECT_EQ(table.exit_code, 1);
    std::vector<std::string> as_json = one.arguments;
    as_json.insert(as_json.end(), {"-o", "json"});
    const CommandResult result = node.run(as_json);
    EXPECT_EQ(json::parse(result.output), one.body);
    EXPECT_EQ(result.exit_code, 1);
  }
}

TEST(CommandErrors, ANodeThatIsNotThere) {
  const std::string address = loopback(free_port());
  const CommandResult result = run_magpie({"status", "--admin", address});
  EXPECT_EQ(result.output,
            "error unreachable: cannot connect to the admin port " + address +
                ": Connection refused\n"
                "next: start the node, or name the admin port of another one with --admin "
                "HOST:PORT\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(CommandErrors, AHostThatDoesNotExist) {
  const CommandResult result = run_magpie({"status", "--admin", "no-such-host.invalid:9094"});
  EXPECT_EQ(result.output.find("error unreachable: cannot connect to the admin port "
                               "no-such-host.invalid:9094: "),
            0u)
      << result.output;
  EXPECT_EQ(result.exit_code, 3);
}

TEST(CommandErrors, ANodeThatDoesNotAnswer) {
  FakeNode node(0, std::string());
  const CommandResult question = node.run({"topic", "list", "--timeout", "50ms"});
  EXPECT_EQ(question.output,
            "error no_answer: " + node.address() +
                " did not answer: nothing came within 50ms\n"
                "next: look at the node's log, or give it more time with --timeout\n");
  EXPECT_EQ(question.exit_code, 3);
  const CommandResult change = node.run({"topic", "delete", "orders", "--timeout", "50ms"});
  EXPECT_EQ(change.output,
            "error no_answer: " + node.address() +
                " did not answer: nothing came within 50ms; whether the change is carried out is "
                "not known\n"
                "next: look with the list or describe command whether it was, before you try "
                "again\n");
  EXPECT_EQ(change.exit_code, 3);
}

TEST(CommandErrors, ANodeThatIsStuckSaysSoItself) {
  FakeNode node(503, std::string("the node did not answer in time; try again\n"));
  const CommandResult result = node.run({"topic", "list"});
  EXPECT_EQ(result.output.find("error no_answer: "), 0u) << result.output;
  EXPECT_EQ(result.exit_code, 3);
}

TEST(CommandErrors, WhoeverElseAnswersIsNoNode) {
  for (const std::string& body : {std::string("<html>"), std::string("[]"), std::string("{}")}) {
    FakeNode node(200, body);
    const CommandResult result = node.run({"topic", "list"});
    EXPECT_EQ(result.output, "error not_magpie: " + node.address() +
                                 " does not answer like a Magpie node\n"
                                 "next: name the admin port with --admin HOST:PORT, not the Kafka "
                                 "port\n");
    EXPECT_EQ(result.exit_code, 1);
  }
  FakeNode strange(500, json{{"error", "yes"}});
  EXPECT_EQ(strange.run({"status"}).output.find("error not_magpie: "), 0u);
}

TEST(CommandErrors, WrongArguments) {
  const CommandResult address = run_magpie({"status", "--admin", "9094"});
  EXPECT_EQ(address.output,
            "error wrong_argument: --admin: expected HOST:PORT such as 127.0.0.1:9092 or "
            "[::1]:9092, found '9094'\nnext: name the admin port as HOST:PORT\n");
  EXPECT_EQ(address.exit_code, 1);
  const CommandResult config = run_magpie({"topic", "create", "a", "--config", "retention.ms"});
  EXPECT_EQ(config.output,
            "error wrong_argument: --config: 'retention.ms' is not of the form KEY=VALUE\n"
            "next: write for instance --config retention.ms=60000\n");
  EXPECT_EQ(config.exit_code, 1);
  EXPECT_EQ(run_magpie({"status", "--timeout", "soon"}).exit_code, 1);
  EXPECT_EQ(run_magpie({"status", "--timeout", "0s"}).exit_code, 1);
  EXPECT_EQ(run_magpie({"topic"}).exit_code, 1);
  EXPECT_EQ(run_magpie({"topic", "create"}).exit_code, 1);
  EXPECT_EQ(run_magpie({"topic", "list", "-o", "xml"}).exit_code, 1);
  EXPECT_EQ(run_magpie({"topic", "create", "a", "--partitions", "many"}).exit_code, 1);
}

}  // namespace
}  // namespace magpie::server
