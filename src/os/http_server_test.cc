#include "os/http_server.h"

#include <gtest/gtest.h>

#include "os/testing.h"

namespace magpie::os {
namespace {

// Answers with what was asked; "/silent" is not answered.
void answer(const port::Event& event, port::Effects& effects) {
  const auto* request = std::get_if<port::HttpRequestReceived>(&event);
  if (request == nullptr || request->target == "/silent") return;
  const int status = request->target == "/missing" ? 404 : 200;
  effects.add(port::HttpRespond{request->exchange, status, "text/plain",
                                request->method + " " + request->target + " " + request->body});
}

// The head and body of one response.
std::string read_response(TestClient& client, bool with_body = true) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string next = client.read(1);
    if (next.empty()) return head;
    head += next;
  }
  const size_t at = head.find("Content-Length: ");
  if (!with_body || at == std::string::npos) return head;
  return head + client.read(std::stoul(head.substr(at + 16)));
}

TEST(HttpServer, AnswersRequestsOnOneConnection) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.write("GET /v1/topics?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string response = read_response(client);
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
    EXPECT_TRUE(response.ends_with("\r\n\r\nGET /v1/topics?limit=1 ")) << response;
    EXPECT_NE(response.find("Content-Type: text/plain\r\n"), std::string::npos);
  }
  ASSERT_TRUE(client.write("POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
  EXPECT_TRUE(read_response(client).ends_with("POST /v1/x body"));
  ASSERT_TRUE(client.write("GET /missing HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 404 "));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(read_response(client).ends_with("GET /1 "));
  EXPECT_TRUE(read_response(client).ends_with("GET /2 "));
}

TEST(HttpServer, ClosesWhenTheClientWantsThat) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(client.closed());
  TestClient old(driver.admin_port());
  ASSERT_TRUE(old.write("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(read_response(old).ends_with("GET / "));
  EXPECT_TRUE(old.closed());
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string response = client.read_all();
  EXPECT_NE(response.find("Content-Length: 8\r\n"), std::string::npos) << response;
  EXPECT_TRUE(response.ends_with("\r\n\r\n")) << response;
}

TEST(HttpServer, RefusesWhatIsTooLargeOrNotHttp) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine, [](DriverConfig& config) {
    config.admin->body_bytes = 10;
    config.admin->header_bytes = 200;
  });
  TestClient body(driver.admin_port());
  ASSERT_TRUE(body.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n12345678901"));
  EXPECT_TRUE(body.read_all().starts_with("HTTP/1.1 413 "));
  TestClient header(driver.admin_port());
  ASSERT_TRUE(header.write("GET / HTTP/1.1\r\nX: " + std::string(300, 'x') + "\r\n\r\n"));
  EXPECT_TRUE(header.read_all().starts_with("HTTP/1.1 431 "));
  TestClient other(driver.admin_port());
  ASSERT_TRUE(other.write(frame_bytes("this is a Kafka request") + "\r\n\r\n"));
  EXPECT_TRUE(other.read_all().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(machine.seen().empty());
}

TEST(HttpServer, SaysSoWhenTheNodeDoesNotAnswer) {
  ScriptedMachine machine(answer);
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.admin->answer_max = Duration::milliseconds(20); });
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 503 "));
  ASSERT_TRUE(client.write("GET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(read_response(client).ends_with("GET /next "));
}

TEST(HttpServer, LimitsConnectionsAndForgetsEndedOnes) {
  ScriptedMachine machine(answer);
  RunningDriver driver(machine, [](DriverConfig& config) { config.admin->connections = 1; });
  {
    TestClient first(driver.admin_port());
    ASSERT_TRUE(first.write("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(read_response(first).ends_with("GET /1 "));
    TestClient second(driver.admin_port());
    EXPECT_TRUE(second.closed());
    EXPECT_EQ(driver.log().lines("admin.refused").size(), 1u);
  }
  EXPECT_TRUE(eventually([&] {
    TestClient third(driver.admin_port());
    return third.write("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n") &&
           read_response(third).ends_with("GET /3 ");
  }));
}

TEST(HttpServer, ClosesIdleConnections) {
  ScriptedMachine machine(answer);
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.admin->idle_max = Duration::milliseconds(50); });
  TestClient client(driver.admin_port());
  EXPECT_TRUE(client.closed());
}

// Begins a stream for each request of "/watch"; what is posted elsewhere becomes a part of it.
ScriptedMachine::OnEvent stream_of_posts() {
  return [exchange = port::HttpExchangeId{}](const port::Event& event,
                                             port::Effects& effects) mutable {
    const auto* request = std::get_if<port::HttpRequestReceived>(&event);
    if (request == nullptr) return;
    if (request->target == "/watch") {
      exchange = request->exchange;
      effects.add(port::HttpStream{exchange, 200, "application/json"});
      return;
    }
    effects.add(port::HttpStreamPart{exchange, request->body, request->target == "/last"});
    effects.add(port::HttpRespond{request->exchange, 200, "", ""});
  };
}

void post(uint16_t port, const std::string& target, const std::string& body) {
  TestClient client(port);
  ASSERT_TRUE(client.write("POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, SendsAStreamInChunksAndTakesTheNextRequest) {
  ScriptedMachine machine(stream_of_posts());
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n"));
  const std::string head = read_response(client);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos) << head;
  post(driver.admin_port(), "/part", "first part");
  EXPECT_EQ(client.read(15), "a\r\nfirst part\r\n");
  post(driver.admin_port(), "/last", "end");
  EXPECT_EQ(client.read(13), "3\r\nend\r\n0\r\n\r\n");
  ASSERT_TRUE(client.write("POST /part HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(machine.count("exchange closed"), 0u);
}

TEST(HttpServer, TellsWhenTheClientOfAnIdleStreamGoesAway) {
  ScriptedMachine machine(stream_of_posts());
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.admin->idle_max = Duration::milliseconds(50); });
  {
    TestClient other(driver.admin_port());
    TestClient client(driver.admin_port());
    ASSERT_TRUE(client.write("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
    EXPECT_TRUE(other.closed());  // for being idle, which is no fault of a stream
    post(driver.admin_port(), "/part", "alive");
    EXPECT_EQ(client.read(10), "5\r\nalive\r\n");
    EXPECT_EQ(machine.count("exchange closed"), 0u);
  }
  EXPECT_TRUE(eventually([&] { return machine.count("exchange closed") == 1; }));
}

TEST(HttpServer, EndsAStreamWhoseClientDoesNotRead) {
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    const auto* request = std::get_if<port::HttpRequestReceived>(&event);
    if (request == nullptr) return;
    effects.add(port::HttpStream{request->exchange, 200, "text/plain"});
    // The first parts fill the socket, the last one is too much.
    for (int part = 0; part < 3; ++part) {
      effects.add(port::HttpStreamPart{request->exchange, std::string(16 * 1024 * 1024, 'p')});
    }
  });
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.admin->stream_queue_bytes = 40 * 1024 * 1024; });
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(eventually([&] { return machine.count("exchange closed") == 1; }));
  const auto lines = driver.log().lines("admin.slow_reader");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("wait for it and it does not read"), std::string::npos) << lines[0];
}

TEST(HttpServer, StreamsToOldClientsUntilTheEndOfTheConnection) {
  ScriptedMachine machine(stream_of_posts());
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("GET /watch HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(read_response(client).find("chunked"), std::string::npos);
  post(driver.admin_port(), "/part", "one ");
  post(driver.admin_port(), "/last", "two");
  EXPECT_EQ(client.read_all(), "one two");
}

TEST(HttpServer, HeadOfAStreamHasNoParts) {
  ScriptedMachine machine(stream_of_posts());
  RunningDriver driver(machine);
  TestClient client(driver.admin_port());
  ASSERT_TRUE(client.write("HEAD /watch HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(eventually([&] { return machine.count("exchange closed") == 1; }));
  ASSERT_TRUE(client.write("POST /part HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(read_response(client).starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace magpie::os
