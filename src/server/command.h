// The subcommands of `magpie`.
//
// Each is one file, command_<name>.cc, with one function that adds it to the command line; main.cc
// calls them by name, so that nothing happens before main() begins. A subcommand's options live in
// a shared_ptr that its action keeps.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace magpie::server {

// What the chosen subcommand does; returns the exit code of the process.
using Action = std::function<int()>;

// Exit codes beside those of os/driver.h and os/signals.h; docs/operations/commands.md and
// running.md explain them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;       // wrong arguments or configuration, or the node refused
inline constexpr int kExitNotStarted = 3;  // address in use, directory locked, node not reachable:
                                           // may work later
inline constexpr int kExitDamaged = 4;     // stopped in order; some partitions are damaged
inline constexpr int kExitNotCheckable = 5;  // nothing is wrong, but not everything can be known

// Each sets `*chosen` when the arguments name it.
void add_certificate_commands(CLI::App& app, Action* chosen);
void add_config_command(CLI::App& app, Action* chosen);
void add_dev_command(CLI::App& app, Action* chosen);
void add_failover_command(CLI::App& app, Action* chosen);
void add_failover_group_command(CLI::App& app, Action* chosen);
void add_group_command(CLI::App& app, Action* chosen);
void add_operation_command(CLI::App& app, Action* chosen);
void add_region_command(CLI::App& app, Action* chosen);
void add_salvage_command(CLI::App& app, Action* chosen);
void add_serve_command(CLI::App& app, Action* chosen);
void add_status_command(CLI::App& app, Action* chosen);
void add_store_command(CLI::App& app, Action* chosen);
void add_switchover_command(CLI::App& app, Action* chosen);
void add_topic_command(CLI::App& app, Action* chosen);
void add_version_command(CLI::App& app, Action* chosen);

}  // namespace magpie::server
