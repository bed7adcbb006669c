// Limits and fairness of client connections, on loopback.
#include "os/network.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <string>

#include "os/testing.h"

namespace magpie::os {
namespace {

// Answers every frame with `answer` bytes.
ScriptedMachine::OnEvent answer_with(size_t answer) {
  return [answer](const port::Event& event, port::Effects& effects) {
    if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
      effects.add(port::Send{frame->connection, {Buffer::copy_of(std::string(answer, 'r'))}});
    }
  };
}

bool saw_closed(const ScriptedMachine& machine, const std::string& reason) {
  for (const std::string& what : machine.seen()) {
    if (what.starts_with("closed: " + reason)) return true;
  }
  return false;
}

// Connections accepted on a port whose next timer is that of TCP keepalive (man 5 proc, "tcp").
int established_with_keepalive(uint16_t port) {
  int count = 0;
  std::ifstream table("/proc/self/net/tcp");
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    unsigned local_port = 0;
    unsigned state = 0;
    unsigned timer = 0;
    const int fields = std::sscanf(line.c_str(), "%*d: %*x:%x %*x:%*x %x %*x:%*x %x:", &local_port,
                                   &state, &timer);
    if (fields == 3 && local_port == port && state == 1 && timer == 2) ++count;
  }
  return count;
}

TEST(Network, RefusesMoreConnectionsThanTheLimitAndRecovers) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine, [](DriverConfig& config) { config.network.connections = 2; });
  auto first = std::make_unique<TestClient>(driver.port());
  TestClient second(driver.port());
  ASSERT_TRUE(first->write_frame("1"));
  ASSERT_TRUE(second.write_frame("2"));
  EXPECT_EQ(first->read_frame(), "1");
  EXPECT_EQ(second.read_frame(), "2");
  TestClient third(driver.port());
  EXPECT_TRUE(third.closed());
  EXPECT_EQ(driver.log().lines("connection.refused").size(), 1u);
  first.reset();
  ASSERT_TRUE(eventually([&] { return saw_closed(machine, "closed by the peer"); }));
  TestClient fourth(driver.port());
  ASSERT_TRUE(fourth.write_frame("4"));
  EXPECT_EQ(fourth.read_frame(), "4");
}

TEST(Network, LimitsConnectionsOfOneAddress) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine,
                       [](DriverConfig& config) { config.network.connections_per_address = 1; });
  TestClient first(driver.port());
  ASSERT_TRUE(first.write_frame("1"));
  EXPECT_EQ(first.read_frame(), "1");
  TestClient second(driver.port());
  EXPECT_TRUE(second.closed());
  const auto lines = driver.log().lines("connection.refused");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("127.0.0.1"), std::string::npos);
}

TEST(Network, AReconnectStormWaitsAndThenGetsIn) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine, [](DriverConfig& config) {
    config.network.accepts_per_second = 100;  // a burst of 10, then one every 10 ms
  });
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(std::make_unique<TestClient>(driver.port()));
  for (auto& client : clients) ASSERT_TRUE(client->write_frame("hello"));
  for (auto& client : clients) EXPECT_EQ(client->read_frame(), "hello");
}

TEST(Network, ClosesIdleConnections) {
  ScriptedMachine machine(echo);
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.network.idle_max = Duration::milliseconds(50); });
  TestClient client(driver.port());
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(eventually([&] { return saw_closed(machine, "idle for too long"); }));
}

TEST(Network, ReportsHighAndLowWater) {
  ScriptedMachine machine(answer_with(32 * 1024 * 1024));
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("much"));
  ASSERT_TRUE(eventually([&] { return machine.count("above") == 1; }));
  EXPECT_EQ(machine.count("below"), 0u);
  EXPECT_EQ(client.read(32 * 1024 * 1024).size(), 32u * 1024 * 1024);
  EXPECT_TRUE(eventually([&] { return machine.count("below") == 1; }));
  EXPECT_EQ(machine.count("above"), 1u);
}

TEST(Network, ClosesAReaderThatHoldsTooMuchMemory) {
  ScriptedMachine machine(answer_with(64 * 1024 * 1024));
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.network.send_queue_bytes = 16 * 1024 * 1024; });
  TestClient slow(driver.port());
  ASSERT_TRUE(slow.write_frame("much"));
  ASSERT_TRUE(eventually([&] { return saw_closed(machine, "slow reader"); }));
  EXPECT_EQ(driver.log().lines("connection.slow_reader").size(), 1u);
}

TEST(Network, ClosesAReaderThatTakesNothing) {
  ScriptedMachine machine(answer_with(64 * 1024 * 1024));
  RunningDriver driver(machine, [](DriverConfig& config) {
    config.network.stalled_max = Duration::milliseconds(50);
  });
  TestClient slow(driver.port());
  ASSERT_TRUE(slow.write_frame("much"));
  EXPECT_TRUE(eventually([&] { return saw_closed(machine, "slow reader"); }));
}

TEST(Network, TheLongestQueueGoesWhenMemoryForAllIsUsedUp) {
  // The first connection asks for little, the second for much; both read nothing.
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
      const size_t size = frame->frame.text() == "little" ? 16 << 20 : 64 << 20;
      effects.add(port::Send{frame->connection, {Buffer::copy_of(std::string(size, 'r'))}});
    }
  });
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.network.send_queues_bytes = 48 * 1024 * 1024; });
  TestClient little(driver.port());
  ASSERT_TRUE(little.write_frame("little"));
  ASSERT_TRUE(eventually([&] { return machine.count("above") == 1; }));
  TestClient much(driver.port());
  ASSERT_TRUE(much.write_frame("much"));
  ASSERT_TRUE(eventually([&] { return saw_closed(machine, "slow reader"); }));
  EXPECT_EQ(little.read(16 << 20).size(), 16u << 20);
}

TEST(Network, ManyResponsesOfOneTurnArriveInOrder) {
  // More pieces than one gathered write takes.
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
      for (int i = 0; i < 5'000; ++i) {
        effects.add(port::Send{frame->connection,
                               {Buffer::copy_of(std::to_string(i)), Buffer::copy_of(",")}});
      }
      effects.add(port::CloseConnection{frame->connection, true});
    }
  });
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("go"));
  std::string expected;
  for (int i = 0; i < 5'000; ++i) expected += std::to_string(i) + ",";
  EXPECT_EQ(client.read_all(), expected);
}

TEST(Network, OneBusyConnectionDoesNotStarveTheOthers) {
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame != nullptr && frame->frame.text() == "ping") echo(event, effects);
  });
  RunningDriver driver(
      machine, [](DriverConfig& config) { config.network.read_bytes_per_turn = 64 * 1024; });
  std::atomic<bool> stop = false;
  std::thread flood([&] {
    TestClient busy(driver.port());
    const std::string frames = frame_bytes(std::string(100'000, 'f'));
    while (!stop && busy.write(frames)) {
    }
  });
  TestClient client(driver.port());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.write_frame("ping"));
    EXPECT_EQ(client.read_frame(), "ping");
  }
  stop = true;
  flood.join();
}

// Load balancers forget idle connections without telling either end.
TEST(Network, AsksSilentPeersWhetherTheyAreStillThere) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("1"));
  EXPECT_EQ(client.read_frame(), "1");
  EXPECT_TRUE(eventually([&] { return established_with_keepalive(driver.port()) == 1; }));
}

TEST(Network, ListensOnEveryAddressOfAHostName) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine, [](DriverConfig& config) {
    config.listeners = {{"local", "localhost", 0}, {"other", "127.0.0.1", 0}};
  });
  TestClient client(driver.port());
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.write_frame("v4"));
  EXPECT_EQ(client.read_frame(), "v4");
  TestClient other(driver.driver().port(port::ListenerIndex{1}));
  ASSERT_TRUE(other.write_frame("second listener"));
  EXPECT_EQ(other.read_frame(), "second listener");
  EXPECT_EQ(machine.count("opened 0"), 1u);
  EXPECT_EQ(machine.count("opened 1"), 1u);
}

TEST(Network, SaysWhatToDoAboutAnAddressThatIsNotHere) {
  ScriptedMachine machine;
  TestLog log;
  FileCalls calls;
  TempFolder folder;
  DriverConfig config;
  config.disk.directory = folder.path();
  config.listeners = {{"far", "192.0.2.1", 9092}};  // an address for documentation (RFC 5737)
  auto driver = Driver::open(config, machine, log, calls);
  ASSERT_FALSE(driver.has_value());
  EXPECT_NE(driver.error().message.find("listener far: cannot listen on 192.0.2.1:9092"),
            std::string::npos);
  EXPECT_NE(driver.error().message.find("this machine does not have that address"),
            std::string::npos);
}

}  // namespace
}  // namespace magpie::os
