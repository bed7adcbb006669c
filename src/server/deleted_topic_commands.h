// The subcommands of `magpie topic` about topics that were deleted and can be restored.
#pragma once

#include "server/admin_options.h"
#include "server/command.h"

namespace magpie::server {

// `magpie topic list --deleted`
int list_deleted_topics(const AdminOptions& admin);

// Adds `restore` and `purge`.
void add_deleted_topic_commands(CLI::App& topic_command, Action* chosen);

}  // namespace magpie::server
