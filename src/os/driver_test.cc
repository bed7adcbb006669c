#include "os/driver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <fstream>
#include <sstream>

#include "os/testing.h"

namespace magpie::os {
namespace {

std::string file_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Driver, EchoesFramesWholeAndInOrder) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.connected());
  const std::string large(3'000'000, 'm');
  ASSERT_TRUE(client.write(frame_bytes("one") + frame_bytes("two")));
  EXPECT_EQ(client.read_frame(), "one");
  EXPECT_EQ(client.read_frame(), "two");
  std::thread writer([&] { client.write_frame(large); });
  EXPECT_EQ(client.read_frame(), large);
  writer.join();
  EXPECT_EQ(driver.stop(), kExitStopped);
}

TEST(Driver, CutsFramesWhateverThePiecesTheyArriveIn) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine);
  TestClient client(driver.port());
  const int on = 1;
  ::setsockopt(client.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const char byte : frame_bytes("bridge")) ASSERT_TRUE(client.write(std::string(1, byte)));
  EXPECT_EQ(client.read_frame(), "bridge");
}

TEST(Driver, AnOversizedFrameClosesTheConnectionAndIsLogged) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine, [](DriverConfig& config) { config.network.request_bytes = 100; });
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame(std::string(100, 'a')));
  EXPECT_EQ(client.read_frame().size(), 100u);
  ASSERT_TRUE(client.write_frame(std::string(101, 'b')));
  EXPECT_TRUE(client.closed());
  ASSERT_TRUE(eventually([&] { return machine.seen().back().starts_with("closed: "); }));
  const auto lines = driver.log().lines("connection.bad_frame");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("127.0.0.1:"), std::string::npos);
  EXPECT_NE(lines[0].find("101 bytes"), std::string::npos);
}

TEST(Driver, AHalfClosedClientStillReceivesWhatItAskedFor) {
  ScriptedMachine machine(echo);
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("last words"));
  client.finish_writing();
  EXPECT_EQ(client.read_frame(), "last words");
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(eventually([&] { return machine.count("closed: closed by the peer") == 1; }));
}

TEST(Driver, ClosesAtOnceOrAfterFlushing) {
  ScriptedMachine machine([](const port::Event& event, port::Effects& effects) {
    if (const auto* frame = std::get_if<port::FrameReceived>(&event)) {
      effects.add(port::Send{frame->connection, {frame->frame}});
      effects.add(port::CloseConnection{frame->connection, frame->frame.text() == "flush"});
    }
  });
  RunningDriver driver(machine);
  TestClient flushed(driver.port());
  ASSERT_TRUE(flushed.write_frame("flush"));
  EXPECT_EQ(flushed.read_all(), "flush");
  TestClient dropped(driver.port());
  ASSERT_TRUE(dropped.write_frame("drop"));
  EXPECT_EQ(dropped.read_all(), "");
  EXPECT_TRUE(eventually([&] { return machine.count("closed: closed by the server") == 2; }));
}

TEST(Driver, StopsAndResumesReading) {
  port::ConnectionId connection;
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame != nullptr && frame->frame.text() == "pause") {
      connection = frame->connection;
      effects.add(port::SetReading{connection, false});
    }
    if (std::holds_alternative<port::HttpRequestReceived>(event)) {
      effects.add(port::SetReading{connection, true});
    }
    echo(event, effects);
  });
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("pause"));
  EXPECT_EQ(client.read_frame(), "pause");
  ASSERT_TRUE(client.write_frame("held back"));
  TestClient other(driver.port());
  ASSERT_TRUE(other.write_frame("others go on"));
  EXPECT_EQ(other.read_frame(), "others go on");
  EXPECT_EQ(machine.count("frame held back"), 0u);
  TestClient admin(driver.admin_port());
  ASSERT_TRUE(admin.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.read_frame(), "held back");
}

TEST(Driver, WhoeverComesWhenItListensNoMoreIsRefused) {
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    const auto* frame = std::get_if<port::FrameReceived>(&event);
    if (frame != nullptr && frame->frame.text() == "last") effects.add(port::StopListening{});
    echo(event, effects);
  });
  RunningDriver driver(machine);
  TestClient client(driver.port());
  ASSERT_TRUE(client.write_frame("last"));
  EXPECT_EQ(client.read_frame(), "last");
  EXPECT_FALSE(TestClient(driver.port()).connected());
  ASSERT_TRUE(client.write_frame("still here"));
  EXPECT_EQ(client.read_frame(), "still here");
}

TEST(Driver, CarriesOutDiskEffectsAndReportsThem) {
  auto file = std::make_shared<const port::FileName>(port::FileName{{1}, "a/b/notes"});
  std::string read_back;
  std::atomic<bool> done_reading = false;
  ScriptedMachine machine([&](const port::Event& event, port::Effects& effects) {
    const auto* done = std::get_if<port::DiskDone>(&event);
    if (done == nullptr) return;
    if (done->then.cookie == 1) effects.add(port::ReadFile{file, 2, 100, {.cookie = 2}});
    if (done->then.cookie == 2) {
      read_back = std::string(done->data.text());
      done_reading = true;
    }
  });
  machine.on_start = [&](port::Effects& effects) {
    effects.add(port::WriteFile{file, 0, {Buffer::copy_of("magpie")}, true, {.cookie = 1}});
  };
  RunningDriver driver(machine);
  ASSERT_TRUE(eventually([&] { return done_reading.load(); }));
  EXPECT_EQ(read_back, "gpie");
  EXPECT_EQ(file_text(driver.folder().file("a/b/notes")), "magpie");
  EXPECT_EQ(driver.driver().disk_counters().file_syncs, 1u);
}

TEST(Driver, ReportsAFailedMachineWithItsOwnExitCode) {
  ScriptedMachine machine;
  machine.on_start = [&](port::Effects&) { machine.fail_with("topics/a-0 is damaged"); };
  RunningDriver driver(machine);
  EXPECT_EQ(driver.join(), kExitFailed);
  EXPECT_EQ(driver.log().lines("node.failed"), std::vector<std::string>{"topics/a-0 is damaged"});
}

TEST(Driver, RefusesADirectoryThatIsInUseAndNamesTheHolder) {
  ScriptedMachine machine;
  RunningDriver first(machine);
  ScriptedMachine other;
  TestLog log;
  FileCalls calls;
  DriverConfig config;
  config.disk.directory = first.folder().path();
  const auto second = Driver::open(config, other, log, calls);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())),
            std::string::npos);
}

TEST(Driver, SaysWhyItCannotListen) {
  ScriptedMachine machine;
  RunningDriver first(machine);
  ScriptedMachine other;
  TestLog log;
  FileCalls calls;
  TempFolder folder;
  DriverConfig config;
  config.disk.directory = folder.path();
  config.listeners = {{"internal", "127.0.0.1", first.port()}};
  const auto second = Driver::open(config, other, log, calls);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().message,
            "listener internal: cannot listen on 127.0.0.1:" + std::to_string(first.port()) +
                ": Address already in use; stop the process that uses this port (ss -ltnp shows "
                "it) or choose another port");
}

}  // namespace
}  // namespace magpie::os
