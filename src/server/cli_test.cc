// The `magpie` binary as a user meets it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "server/command.h"
#include "server/config.h"
#include "server/testing.h"
#include "server/unknown_command.h"
#include "source_tree/source_dir.h"

namespace magpie::server {
namespace {

class CliTest : public ::testing::Test {
 protected:
  std::string write_file(const std::string& name, const std::string& text) {
    const std::string path = folder_.file(name);
    std::ofstream(path) << text;
    return path;
  }

  std::vector<std::string> serve(const std::string& data) {
    return {"serve",
            "--data",
            folder_.file(data),
            "--kafka",
            loopback(free_port()),
            "--admin",
            loopback(free_port())};
  }

  os::TempFolder folder_;
};

TEST_F(CliTest, VersionAndHelp) {
  Process version({"version"});
  EXPECT_EQ(version.exit_code(), 0);
  EXPECT_TRUE(version.output().starts_with("magpie 0."));
  Process help({"serve", "--help"});
  EXPECT_EQ(help.exit_code(), 0);
  EXPECT_NE(help.output().find("--kafka"), std::string::npos);
}

TEST_F(CliTest, WrongArgumentsAreRefused) {
  Process nothing({});
  EXPECT_EQ(nothing.exit_code(), 1);
  Process flag({"serve", "--prot", "1"});
  EXPECT_EQ(flag.exit_code(), 1);
  EXPECT_NE(flag.output().find("--prot"), std::string::npos);
  Process address({"serve", "--kafka", "9092"});
  EXPECT_EQ(address.exit_code(), 1);
  EXPECT_EQ(address.output(),
            "magpie: --kafka: expected HOST:PORT such as 127.0.0.1:9092 or [::1]:9092, found "
            "'9092'\nmagpie: not started because of the configuration\n");
}

TEST_F(CliTest, DefaultsPassTheCheck) {
  Process print({"config", "print-defaults"});
  ASSERT_EQ(print.exit_code(), 0);
  const std::string path = write_file("magpie.yaml", print.output());
  Process check({"config", "check", path});
  EXPECT_EQ(check.exit_code(), 0);
  EXPECT_EQ(check.output(), path + ": good\n");
}

TEST_F(CliTest, TheCheckNamesEveryProblem) {
  const std::string path = write_file("magpie.yaml", "nodes:\n  id: 1\nlog:\n  level: loud\n");
  Process check({"config", "check", path});
  EXPECT_EQ(check.exit_code(), 1);
  EXPECT_EQ(check.output(),
            path + ":1: nodes: is not a known setting; did you mean 'node'?\n" + path +
                ":4: log.level: expected one of: debug, info, warning, error, found 'loud'\n" +
                path + ": 2 problems\n");
}

TEST_F(CliTest, ServesUntilItIsAskedToStop) {
  for (int run = 0; run < 2; ++run) {  // the second one opens what the first one left
    Process node(serve("data"));
    ASSERT_TRUE(node.says("start.listening")) << node.output();
    node.signal(SIGTERM);
    EXPECT_EQ(node.exit_code(), 0) << node.output();
    EXPECT_NE(node.output().find("stopped cleanly"), std::string::npos) << node.output();
  }
}

TEST_F(CliTest, ADataDirectoryInUseIsRefusedWithTheHolder) {
  Process first(serve("data"));
  ASSERT_TRUE(first.says("start.listening")) << first.output();
  Process second(serve("data"));
  EXPECT_EQ(second.exit_code(), 3);
  EXPECT_NE(second.output().find("is in use by process "), std::string::npos) << second.output();
}

// Whatever keeps a node from starting is named with what to do about it.
TEST_F(CliTest, ANodeThatCannotStartSaysWhatToDo) {
  Process first(serve("data"));
  ASSERT_TRUE(first.says("start.listening")) << first.output();
  std::vector<std::string> same_port = serve("other");
  const std::string& output = first.output();
  const size_t begin = output.find("kafka on ") + 9;
  same_port[4] = output.substr(begin, output.find(',', begin) - begin);
  const CommandResult port = run_magpie(same_port);
  EXPECT_EQ(port.exit_code, 3);
  EXPECT_NE(port.output.find("start.refused listener kafka: cannot listen on " + same_port[4] +
                             ": Address already in use; stop the process that uses this port"),
            std::string::npos)
      << port.output;

  write_file("file", "");
  const CommandResult directory = run_magpie(serve("file"));
  EXPECT_EQ(directory.exit_code, 3);
  EXPECT_NE(directory.output.find("start.refused cannot create the data directory "),
            std::string::npos);
  EXPECT_NE(directory.output.find("with --data or node.data"), std::string::npos)
      << directory.output;
}

// --- the unit ------------------------------------------------------------------------------------

// The value of a setting in packaging/magpie.service.
std::string unit_setting(const std::string& name) {
  std::ifstream file(MAGPIE_SOURCE_DIR "/packaging/magpie.service");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  }
  return "";
}

TEST(SystemdUnit, AllowsTheFilesThatTheDefaultsNeed) {
  const ServerConfig config;
  const uint64_t needed = config.driver.network.connections + config.driver.disk.open_files +
                          config.driver.admin->connections + 128;
  EXPECT_GE(std::stoull(unit_setting("LimitNOFILE")), needed);
}

TEST(SystemdUnit, RestartsOnlyWhereARestartCanHelp) {
  EXPECT_EQ(unit_setting("Restart"), "on-failure");
  EXPECT_EQ(unit_setting("RestartPreventExitStatus"),
            fmt::format("{} {} {}", kExitUsage, os::kExitFailed, kExitDamaged));
}

TEST(SystemdUnit, StartsWithAConfigurationThatHoldsInItsSandbox) {
  EXPECT_EQ(unit_setting("ExecStart"), "/usr/bin/magpie serve --config /etc/magpie/magpie.yaml");
  EXPECT_EQ(unit_setting("ConfigurationDirectory"), "magpie");
  EXPECT_EQ("/var/lib/" + unit_setting("StateDirectory"), ServerConfig().driver.disk.directory);
  EXPECT_EQ(unit_setting("ProtectSystem"), "strict");
  EXPECT_EQ(unit_setting("DynamicUser"), "yes");
}

TEST(UnknownCommand, TheWordAndTheNearestCommandAreNamed) {
  CLI::App app;
  app.add_subcommand("serve");
  app.add_subcommand("topic")->add_subcommand("list");
  EXPECT_EQ(unknown_command(app, {"sreve"}),
            "magpie: there is no command 'sreve'; did you mean 'serve'?");
  EXPECT_EQ(unknown_command(app, {"topic", "lst"}),
            "magpie: there is no command 'lst'; did you mean 'list'?");
  EXPECT_EQ(unknown_command(app, {"xyzzy"}), "magpie: there is no command 'xyzzy'");
  EXPECT_EQ(unknown_command(app, {"serve", "word"}), "");
  EXPECT_EQ(unknown_command(app, {"topic", "--help"}), "");
}

}  // namespace
}  // namespace magpie::server
