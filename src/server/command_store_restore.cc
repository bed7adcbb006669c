#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "os/data_lock.h"
#include "server/command_store.h"
#include "server/process.h"
#include "server/sqlite_store.h"

namespace magpie::server {
namespace {

struct Options {
  std::string backup;
  std::string data = "/var/lib/magpie-store";
  std::string cluster = "magpie";
};

int restore(const Options& options) {
  const auto lock = os::DataLock::take(options.data);
  if (!lock) {
    fmt::print(stderr, "magpie: {}\n", lock.error().message);
    return kExitNotStarted;
  }
  const uint64_t id = random_seed() | 1;
  const Status done =
      SqliteStore::restore(options.backup, options.data, options.cluster, id, random_seed() | 1);
  if (!done) {
    fmt::print(stderr, "magpie: {}. Nothing was changed\n", done.error().message);
    return kExitUsage;
  }
  fmt::print(
      "{} holds the backup as store {}. Start it; nodes that find it change nothing until: "
      "magpie store adopt\n",
      options.data, id);
  return kExitOk;
}

}  // namespace

void add_store_restore_command(CLI::App& store, Action* chosen) {
  CLI::App* command = store.add_subcommand(
      "restore", "Make a store out of a backup of store.db, under another cluster id");
  auto options = std::make_shared<Options>();
  command->add_option("BACKUP", options->backup, "The backup")->required();
  command->add_option("--data", options->data, "Data directory, without a store.db in it")
      ->capture_default_str();
  command->add_option("--cluster", options->cluster, "Whose store it is")->capture_default_str();
  command->callback([chosen, options] { *chosen = [options] { return restore(*options); }; });
}

}  // namespace magpie::server
