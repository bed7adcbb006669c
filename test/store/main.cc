#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "drive.h"
#include "os/driver.h"

namespace magpie::drive {
namespace {

int run(const Settings& settings, const std::string& folder) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  DriveMachine machine(
      settings, static_cast<uint64_t>(now.tv_nsec) * 1'000'003 + static_cast<uint64_t>(now.tv_sec));
  const std::unique_ptr<os::LogSink> log = os::make_stderr_log({});
  os::DriverConfig config;
  config.disk.directory = folder;
  const bool secured = !settings.tls.authority_file.empty();
  if (secured) config.http_client.tls = settings.tls;
  os::FileCalls calls;
  const auto driver = os::Driver::open(config, machine, *log, calls);
  if (!driver) {
    fmt::print(stderr, "{}\n", driver.error().message);
    return 3;
  }
  return (*driver)->run();
}

}  // namespace
}  // namespace magpie::drive

int main(int argc, char** argv) {
  CLI::App app("Drives the store client against a control store.", "magpie-store-drive");
  magpie::drive::Settings settings;
  settings.prefix = "drive/";
  app.add_option("--commits", settings.commits, "Transactions to commit");
  app.add_option("--prefix", settings.prefix, "Of all keys; ends with a slash");
  app.add_option("--user", settings.user, "Of the store; empty: none");
  app.add_option("--password", settings.password, "Its password");
  app.add_option("--authority", settings.tls.authority_file, "Who issued its certificate, PEM");
  app.add_option("--certificate", settings.tls.certificate_file, "To show, PEM");
  app.add_option("--key", settings.tls.key_file, "Of that certificate, PEM");
  app.add_option("endpoints", settings.endpoints, "http(s)://HOST:PORT")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  std::string folder = (std::filesystem::temp_directory_path() / "magpie-drive-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 3;
  const int code = magpie::drive::run(settings, folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return code;
}
