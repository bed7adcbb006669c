// The subcommands of `magpie store`; see command.h.
#pragma once

#include "server/command.h"

namespace magpie::server {

void add_store_adopt_command(CLI::App& store, Action* chosen);
void add_store_restore_command(CLI::App& store, Action* chosen);
void add_store_status_command(CLI::App& store, Action* chosen);

}  // namespace magpie::server
