// From YAML text to settings, problem by problem. Private to the configuration.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/config.h"

namespace magpie::server {

// Applies what `yaml` says to `config` and appends what is wrong with it. `lines` receives the line
// of every setting that was there ("limits.connections", "listeners[0].listen").
void apply_yaml(std::string_view yaml, const std::string& name, ServerConfig& config,
                std::vector<ConfigProblem>& problems, std::map<std::string, int>& lines);

}  // namespace magpie::server
