// Connections between nodes, unencrypted, on loopback.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "os/testing.h"

namespace magpie::os {
namespace {

constexpr port::ConnectionId kLink{port::kOwnConnectionBit | 1};

port::Connect connect_to(uint16_t port, port::ConnectionId id = kLink) {
  return {id, "127.0.0.1", port, ""};
}

void with_link_listener(DriverConfig& config) {
  config.listeners = {{"test", "127.0.0.1", 0}, {"links", "127.0.0.1", 0, ListenerKind::kLinks}};
}

uint16_t link_port(RunningDriver& driver) {
  return driver.driver().port(port::ListenerIndex{1});
}

void send_text(port::Effects& effects, port::ConnectionId id, const std::string& text) {
  effects.add(port::Send{id, {Buffer::copy_of(frame_bytes(text))}});
}

// Opens one link when it starts and sends `text` on it.
class Dialling : public ScriptedMachine {
 public:
  Dialling(port::Connect connect, const std::string& text)
      : ScriptedMachine([text](const port::Event& event, port::Effects& effects) {
          const auto* opened = std::get_if<port::ConnectionOpened>(&event);
          if (opened != nullptr && !text.empty()) send_text(effects, opened->connection, text);
        }) {
    on_start = [connect](port::Effects& effects) { effects.add(connect); };
  }
};

TEST(Link, CarriesFramesInBothDirections) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_link_listener);
  Dialling dialling(connect_to(link_port(server)), "across");
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return dialling.count("frame across") == 1; }));
  EXPECT_EQ(dialling.seen(), (std::vector<std::string>{"connected", "frame across"}));
  EXPECT_EQ(answering.seen(), (std::vector<std::string>{"opened 1", "frame across"}));
}

TEST(Link, CarriesFramesLargerThanAClientMaySend) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, [](DriverConfig& config) {
    with_link_listener(config);
    config.network.request_bytes = 1000;
  });
  const std::string large(60 * 1024 * 1024, 'L');
  Dialling dialling(connect_to(link_port(server)), large);
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return dialling.count("frame " + large.substr(0, 40)) == 1; }));
}

TEST(Link, AFrameAboveTheLimitEndsIt) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, [](DriverConfig& config) {
    with_link_listener(config);
    config.links.limits.request_bytes = 1000;
  });
  Dialling dialling(connect_to(link_port(server)), std::string(1001, 'x'));
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return !answering.closed_because().empty(); }));
  EXPECT_EQ(answering.closed_because(), "a frame of 1001 bytes exceeds the limit of 1000 bytes");
  EXPECT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
}

TEST(Link, TriesEveryAddressOfAName) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_link_listener);
  Dialling dialling({kLink, "localhost", link_port(server), ""}, "by name");
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return dialling.count("frame by name") == 1; }));
}

TEST(Link, APeerMayBeReachedElsewhereThanItSays) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, with_link_listener);
  const uint16_t port = link_port(server);
  Dialling dialling({kLink, "peer.example", 9096, ""}, "by a route");
  RunningDriver client(dialling, [port](DriverConfig& config) {
    config.links.routes[{"peer.example", 9096}] = {"127.0.0.1", port};
  });
  EXPECT_TRUE(eventually([&] { return dialling.count("frame by a route") == 1; }));
}

TEST(Link, SaysThatNothingListens) {
  uint16_t port = 0;
  {
    ScriptedMachine answering(echo);
    RunningDriver server(answering);
    port = server.port();
  }
  Dialling dialling(connect_to(port), "");
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_EQ(dialling.closed_because(), "cannot connect to 127.0.0.1:" + std::to_string(port) +
                                           ": Connection refused (nothing listens there)");
  EXPECT_EQ(dialling.count("connected"), 0u);
}

TEST(Link, SaysThatANameHasNoAddress) {
  const std::string name(70, 'x');  // a label has at most 63 bytes, so no name server is asked
  Dialling dialling({kLink, name, 9095, ""}, "");
  RunningDriver client(dialling);
  EXPECT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_TRUE(dialling.closed_because().starts_with("cannot find the address of '" + name + "': "))
      << dialling.closed_because();
}

// A socket that listens and whose queue of waiting connections is full.
class DeafServer {
 public:
  DeafServer() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listening_, 0), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    for (int& waiting : waiting_) {
      waiting = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)::connect(waiting, reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  ~DeafServer() {
    for (const int waiting : waiting_) ::close(waiting);
    ::close(listening_);
  }
  uint16_t port() const { return port_; }

 private:
  int listening_;
  int waiting_[4] = {};
  uint16_t port_ = 0;
};

TEST(Link, GivesUpOnAServerThatDoesNotAnswer) {
  DeafServer deaf;
  Dialling dialling(connect_to(deaf.port()), "");
  RunningDriver client(dialling, [](DriverConfig& config) {
    config.links.connect_max = Duration::milliseconds(50);
  });
  EXPECT_TRUE(eventually([&] { return !dialling.closed_because().empty(); }));
  EXPECT_EQ(
      dialling.closed_because(),
      "cannot connect to 127.0.0.1:" + std::to_string(deaf.port()) + ": no answer within 50 ms");
}

TEST(Link, CanBeGivenUpBeforeItIsOpen) {
  DeafServer deaf;
  ScriptedMachine machine;
  machine.on_start = [&](port::Effects& effects) {
    effects.add(connect_to(deaf.port()));
    effects.add(port::CloseConnection{kLink});
  };
  RunningDriver client(machine);
  EXPECT_TRUE(eventually([&] { return machine.seen().size() == 1; }));
  EXPECT_EQ(machine.closed_because(), "given up before it was open");
  EXPECT_EQ(client.stop(), kExitStopped);
}

TEST(Link, HasNothingToDoWithTheLimitsOfClients) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, [](DriverConfig& config) {
    with_link_listener(config);
    config.network.connections = 1;
    config.network.idle_max = Duration::milliseconds(50);
  });
  TestClient first(link_port(server));
  TestClient second(link_port(server));
  TestClient client(server.port());
  ASSERT_TRUE(first.write_frame("1"));
  ASSERT_TRUE(second.write_frame("2"));
  EXPECT_EQ(first.read_frame(), "1");
  EXPECT_EQ(second.read_frame(), "2");
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(eventually([&] { return answering.closed_because() == "idle for too long"; }));
  ASSERT_TRUE(first.write_frame("still here"));
  EXPECT_EQ(first.read_frame(), "still here");
  EXPECT_EQ(answering.count("opened 1"), 2u);
}

TEST(Link, RefusesMoreThanItsOwnLimitOnBothSides) {
  ScriptedMachine answering(echo);
  RunningDriver server(answering, [](DriverConfig& config) {
    with_link_listener(config);
    config.links.connections = 1;
  });
  TestClient first(link_port(server));
  ASSERT_TRUE(first.write_frame("1"));
  EXPECT_EQ(first.read_frame(), "1");
  TestClient second(link_port(server));
  EXPECT_TRUE(second.closed());
  ASSERT_TRUE(eventually([&] { return server.log().lines("link.refused").size() == 1; }));
  EXPECT_NE(server.log().lines("link.refused")[0].find("all 1 links are in use"),
            std::string::npos);

  ScriptedMachine machine;
  machine.on_start = [&](port::Effects& effects) {
    effects.add(connect_to(link_port(server)));
    effects.add(connect_to(link_port(server), {port::kOwnConnectionBit | 2}));
  };
  RunningDriver client(machine, [](DriverConfig& config) { config.links.connections = 1; });
  EXPECT_TRUE(eventually([&] { return machine.count("closed: all 1 links are in use") == 1; }));
}

TEST(Link, EndsWhenThePeerDoesNotRead) {
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame == nullptr) return;
    effects.add(port::Send{frame->connection, {Buffer::allocate(32 * 1024 * 1024)}});
  });
  RunningDriver server(machine, [](DriverConfig& config) {
    with_link_listener(config);
    config.links.limits.send_queue_bytes = 8 * 1024 * 1024;
    config.links.limits.send_high_water = 1024;
  });
  TestClient peer(link_port(server));
  ASSERT_TRUE(peer.write_frame("everything, please"));
  EXPECT_TRUE(eventually([&] { return machine.closed_because().starts_with("slow reader: "); }));
}

TEST(Link, APeerThatFinishedWritingStillReceives) {
  ScriptedMachine machine(echo);
  RunningDriver server(machine, with_link_listener);
  TestClient peer(link_port(server));
  ASSERT_TRUE(peer.write_frame("last words"));
  peer.finish_writing();
  EXPECT_EQ(peer.read_frame(), "last words");
  EXPECT_TRUE(peer.closed());
  EXPECT_TRUE(eventually([&] { return machine.closed_because() == "closed by the peer"; }));
}

TEST(Link, IsOpenedAgainByTheMachineWhenThePeerIsBack) {
  uint16_t port = 0;
  ScriptedMachine answering(echo);
  auto server = std::make_unique<RunningDriver>(answering, with_link_listener);
  port = link_port(*server);
  uint64_t attempts = 0;
  const auto connect_again = [&](port::Effects& effects) {
    effects.add(connect_to(port, {port::kOwnConnectionBit | ++attempts}));
  };
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    if (std::holds_alternative<port::ConnectionClosed>(event)) connect_again(effects);
  });
  machine.on_start = connect_again;
  RunningDriver client(machine);
  ASSERT_TRUE(eventually([&] { return machine.count("connected") == 1; }));
  server.reset();
  ASSERT_TRUE(eventually([&] { return !machine.closed_because().empty(); }));
  ScriptedMachine answering_again(echo);
  RunningDriver again(answering_again, [&](DriverConfig& config) {
    with_link_listener(config);
    config.listeners[1].port = port;
  });
  EXPECT_TRUE(eventually([&] { return answering_again.count("opened 1") == 1; }));
}

}  // namespace
}  // namespace magpie::os
