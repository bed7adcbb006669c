// Calls to our own HTTP server and to servers that misbehave, on loopback.
#include "os/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "os/resolver.h"
#include "os/testing.h"
#include "os/url.h"

namespace magpie::os {
namespace {

// Says what was asked; "/silent" is not answered.
void answer(const port::Event& event, port::Effects& effects) {
  const auto* request = std::get_if<port::HttpRequestReceived>(&event);
  if (request == nullptr || request->target == "/silent") return;
  const int status = request->target == "/missing" ? 404 : 200;
  effects.add(port::HttpRespond{request->exchange, status, "text/plain",
                                request->method + " " + request->target + " " + request->body});
}

std::string local_url(uint16_t port, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(port) + path;
}

port::HttpCall call_to(uint64_t id, const std::string& url, const std::string& body = "{}") {
  return {{id}, url, "", body, false, Duration::seconds(20)};
}

// Makes one call after the other; each begins when the one before has ended.
class Calling : public ScriptedMachine {
 public:
  explicit Calling(std::vector<port::HttpCall> calls)
      : ScriptedMachine([this](const port::Event& event, port::Effects& effects) {
          if (std::holds_alternative<port::HttpCallDone>(event)) call_next(effects);
        }),
        calls_(std::move(calls)) {
    on_start = [this](port::Effects& effects) { call_next(effects); };
  }

 private:
  void call_next(port::Effects& effects) {
    if (next_ < calls_.size()) effects.add(calls_[next_++]);
  }

  std::vector<port::HttpCall> calls_;
  size_t next_ = 0;
};

// Accepts connections in a thread, reads the beginning of a request and sends what it was told,
// each connection once.
class RawServer {
 public:
  explicit RawServer(std::vector<std::string> answers)
      : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listening_, 10), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answers = std::move(answers)] {
      for (const std::string& text : answers) {
        const int connection = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        char request[4096];
        requests_ += std::string(request, static_cast<size_t>(std::max<ssize_t>(
                                              ::recv(connection, request, sizeof request, 0), 0)));
        (void)::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
        ::close(connection);
      }
    });
  }
  ~RawServer() {
    join();
    ::close(listening_);
  }
  uint16_t port() const { return port_; }
  // What all clients sent first; waits until the last answer was given.
  std::string requests() {
    join();
    return requests_;
  }

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  int listening_;
  uint16_t port_ = 0;
  std::string requests_;
  std::thread thread_;
};

TEST(HttpClient, CallsOverOneConnectionThatIsKept) {
  ScriptedMachine answering(answer);
  RunningDriver server(answering, [](DriverConfig& config) { config.admin->connections = 1; });
  std::vector<port::HttpCall> calls;
  for (uint64_t id = 1; id <= 3; ++id) {
    calls.push_back(call_to(id, local_url(server.admin_port(), "/v3/kv/put"), "{\"key\":1}"));
  }
  calls.push_back(call_to(4, local_url(server.admin_port(), "/missing")));
  Calling machine(calls);
  RunningDriver client(machine);
  ASSERT_TRUE(eventually([&] { return machine.seen().size() == 4; }));
  EXPECT_EQ(machine.count("answer 200 POST /v3/kv/put {\"key\":1}"), 3u);
  EXPECT_EQ(machine.count("answer 404 POST /missing {}"), 1u);
}

TEST(HttpClient, SendsWhatAGatewayExpects) {
  RawServer server({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  port::HttpCall call = call_to(1, local_url(server.port(), "/v3/kv/range?x=1"), "{\"a\":2}");
  call.authorization = "token-of-the-store";
  Calling machine({call});
  RunningDriver client(machine);
  const std::string request = server.requests();
  EXPECT_TRUE(request.starts_with("POST /v3/kv/range?x=1 HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Host: 127.0.0.1:" + std::to_string(server.port())), std::string::npos);
  EXPECT_NE(request.find("Authorization: token-of-the-store\r\n"), std::string::npos) << request;
  EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos) << request;
  EXPECT_TRUE(request.ends_with("\r\n\r\n{\"a\":2}")) << request;
  EXPECT_TRUE(eventually([&] { return machine.count("answer 200 ok") == 1; }));
}

TEST(HttpClient, ForgetsAConnectionThatTheServerEnded) {
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  RawServer server({text, text});
  TestLog log;
  EventLoop loop;
  Resolver resolver(loop);
  std::vector<port::Event> events;
  HttpClient client(loop, resolver, {}, log, events);
  for (uint64_t id = 1; id <= 2; ++id) {
    client.carry_out(call_to(id, local_url(server.port(), "/")));
    while (client.calls() > 0) loop.run_turn(Duration::seconds(1), 10);
    // The server closes after each answer; that is noticed without a call.
    while (client.idle_connections() > 0) loop.run_turn(Duration::seconds(1), 10);
  }
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(std::get<port::HttpCallDone>(events[1]).status.has_value());
}

TEST(HttpClient, KeepsFewConnectionsAndNotForLong) {
  ScriptedMachine answering(answer);
  RunningDriver server(answering);
  TestLog log;
  EventLoop loop;
  Resolver resolver(loop);
  std::vector<port::Event> events;
  HttpClientConfig config;
  config.idle_connections = 2;
  config.idle_max = Duration::milliseconds(200);
  HttpClient client(loop, resolver, config, log, events);
  for (uint64_t id = 1; id <= 5; ++id) {
    client.carry_out(call_to(id, local_url(server.admin_port(), "/")));
  }
  while (client.calls() > 0) {
    loop.run_turn(Duration::seconds(1), 1);
    EXPECT_LE(client.idle_connections(), 2u);
  }
  EXPECT_EQ(events.size(), 5u);
  while (client.idle_connections() > 0) loop.run_turn(Duration::seconds(1), 10);
}

TEST(HttpClient, TellsWhatWasCertainlyNotCarriedOut) {
  uint16_t nobody = 0;
  {
    ScriptedMachine answering(answer);
    RunningDriver server(answering);
    nobody = server.admin_port();
  }
  Calling machine({call_to(1, local_url(nobody, "/")), call_to(2, "ftp://127.0.0.1/")});
  RunningDriver client(machine);
  ASSERT_TRUE(eventually([&] { return machine.seen().size() == 2; }));
  const std::string port = std::to_string(nobody);
  EXPECT_EQ(machine.seen()[0], "failed unavailable: http://127.0.0.1:" + port +
                                   ": cannot connect to 127.0.0.1:" + port +
                                   ": Connection refused (nothing listens there)");
  EXPECT_TRUE(machine.seen()[1].starts_with("failed invalid_argument: 'ftp://127.0.0.1/' is not"));
}

TEST(HttpClient, TellsWhatMayHaveBeenCarriedOut) {
  RawServer server({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "", "not HTTP\r\n\r\n"});
  Calling machine({call_to(1, local_url(server.port(), "/")),
                   call_to(2, local_url(server.port(), "/")),
                   call_to(3, local_url(server.port(), "/"))});
  RunningDriver client(machine);
  ASSERT_TRUE(eventually([&] { return machine.seen().size() == 3; }));
  for (const std::string& what : machine.seen()) {
    EXPECT_TRUE(what.starts_with("failed io: http://127.0.0.1:")) << what;
  }
}

TEST(HttpClient, GivesUpAfterTheTimeout) {
  ScriptedMachine answering(answer);
  RunningDriver server(answering);
  port::HttpCall call = call_to(1, local_url(server.admin_port(), "/silent"));
  call.timeout = Duration::milliseconds(50);
  Calling machine({call});
  RunningDriver client(machine);
  ASSERT_TRUE(eventually([&] { return machine.seen().size() == 1; }));
  EXPECT_EQ(machine.seen()[0],
            "failed io: " + local_url(server.admin_port(), "") + ": no answer within 50 ms");
}

TEST(HttpClient, RefusesAnAnswerThatIsTooLarge) {
  RawServer server({"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901",
                    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234567890"});
  Calling machine(
      {call_to(1, local_url(server.port(), "/")), call_to(2, local_url(server.port(), "/"))});
  RunningDriver client(machine, [](DriverConfig& config) { config.http_client.answer_bytes = 10; });
  ASSERT_TRUE(eventually([&] { return machine.seen().size() == 2; }));
  EXPECT_TRUE(machine.seen()[0].ends_with("the answer exceeds 10 bytes")) << machine.seen()[0];
  EXPECT_EQ(machine.seen()[1], "answer 200 1234567890");
}

TEST(HttpClient, LimitsCallsAndForgetsCancelledOnes) {
  ScriptedMachine answering(answer);
  RunningDriver server(answering);
  TestLog log;
  EventLoop loop;
  Resolver resolver(loop);
  std::vector<port::Event> events;
  HttpClientConfig config;
  config.calls = 1;
  HttpClient client(loop, resolver, config, log, events);
  client.carry_out(call_to(1, local_url(server.admin_port(), "/silent")));
  client.carry_out(call_to(2, local_url(server.admin_port(), "/")));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<port::HttpCallDone>(events[0]).status.error().kind, ErrorKind::kLimit);
  ASSERT_TRUE(eventually([&] {
    loop.run_turn(Duration::milliseconds(1), 10);
    return answering.seen().size() == 1;
  }));
  client.carry_out(port::CancelHttpCall{{1}});
  client.carry_out(port::CancelHttpCall{{1}});
  client.carry_out(call_to(3, local_url(server.admin_port(), "/")));
  while (client.calls() > 0) loop.run_turn(Duration::seconds(1), 10);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<port::HttpCallDone>(events[1]).call.value, 3u);
}

TEST(HttpClient, DeliversAStreamAsItArrives) {
  port::HttpExchangeId exchange;
  ScriptedMachine watching([&](const port::Event& event, port::Effects& effects) {
    const auto* request = std::get_if<port::HttpRequestReceived>(&event);
    if (request == nullptr) return;
    if (request->target == "/watch") {
      exchange = request->exchange;
      effects.add(port::HttpStream{exchange, 200, "application/json"});
      effects.add(port::HttpStreamPart{exchange, "{\"created\":true}\n"});
    } else {
      effects.add(port::HttpStreamPart{exchange, request->body, request->body == "last"});
      effects.add(port::HttpRespond{request->exchange, 200, "", "added"});
    }
  });
  RunningDriver server(watching, [](DriverConfig& config) {
    config.admin->idle_max = Duration::milliseconds(50);  // a stream outlives it
  });
  const std::string url = local_url(server.admin_port(), "");
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    const auto* part = std::get_if<port::HttpCallPart>(&event);
    if (part == nullptr) return;
    const std::string next = part->bytes == "second" ? "last" : "second";
    if (part->bytes != "last") effects.add(call_to(next == "last" ? 3 : 2, url + "/add", next));
  });
  machine.on_start = [&](port::Effects& effects) {
    port::HttpCall watch = call_to(1, url + "/watch");
    watch.streaming = true;
    watch.timeout = Duration::milliseconds(10'000);
    effects.add(watch);
  };
  RunningDriver client(machine);
  EXPECT_TRUE(eventually([&] { return machine.count("answer 200 ") == 1; }));
  EXPECT_EQ(machine.count("part {\"created\":true}\n"), 1u);
  EXPECT_EQ(machine.count("part second"), 1u);
  EXPECT_EQ(machine.count("part last"), 1u);
  EXPECT_EQ(watching.count("exchange closed"), 0u);
}

TEST(HttpClient, CancellingAStreamIsSeenByTheServer) {
  ScriptedMachine watching([](const port::Event& event, port::Effects& effects) {
    const auto* request = std::get_if<port::HttpRequestReceived>(&event);
    if (request == nullptr) return;
    effects.add(port::HttpStream{request->exchange, 200, "application/json"});
    effects.add(port::HttpStreamPart{request->exchange, "begun"});
  });
  RunningDriver server(watching);
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    const auto* part = std::get_if<port::HttpCallPart>(&event);
    if (part != nullptr) effects.add(port::CancelHttpCall{part->call});
  });
  machine.on_start = [&](port::Effects& effects) {
    port::HttpCall watch = call_to(1, local_url(server.admin_port(), "/watch"));
    watch.streaming = true;
    effects.add(watch);
  };
  RunningDriver client(machine);
  EXPECT_TRUE(eventually([&] { return watching.count("exchange closed") == 1; }));
  EXPECT_EQ(machine.seen(), std::vector<std::string>{"part begun"});
}

TEST(Url, IsTakenApart) {
  const Result<Url> url = parse_url("https://etcd-1.example:2379/v3/kv/txn?a=b");
  ASSERT_TRUE(url.has_value());
  EXPECT_TRUE(url->secure);
  EXPECT_EQ(url->host, "etcd-1.example");
  EXPECT_EQ(url->port, 2379);
  EXPECT_EQ(url->target, "/v3/kv/txn?a=b");
  const Result<Url> six = parse_url("http://[::1]:2379");
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->target, "/");
  EXPECT_EQ(six->origin(), "http://[::1]:2379");
  EXPECT_EQ(parse_url("http://h")->port, 80);
  EXPECT_EQ(parse_url("https://h/")->port, 443);
}

TEST(Url, RefusesWhatItCannotMean) {
  for (const char* text :
       {"", "h:1", "http://", "http://:1/", "http://h:/", "http://h:70000/", "http://h:1x/",
        "http://u:p@h/", "http://[::1/", "http://h/a b", "http://h/a\r\nX: y", "http://[]/"}) {
    EXPECT_FALSE(parse_url(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace magpie::os
