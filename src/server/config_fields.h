// The table of all scalar settings. Private to the configuration.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/config.h"

namespace magpie::server {

struct ConfigField {
  std::string path;         // "limits.connections": section and name; sections nest
  std::string description;  // one or more lines for print-defaults
  std::function<Status(ServerConfig&, std::string_view)> parse;
  std::function<std::string(const ServerConfig&)> print;
  bool is_list = false;  // in a file a list, for parse() its entries with commas between them

  std::string section() const { return path.substr(0, path.rfind('.')); }
  std::string name() const { return path.substr(path.rfind('.') + 1); }
};

// In the order of print-defaults; fields of one section stand together.
const std::vector<ConfigField>& config_fields();

// The part of the table that config_cluster.cc has.
void add_cluster_fields(std::vector<ConfigField>& fields);

// What print-defaults says above a section; may be empty.
std::string section_description(const std::string& section);

}  // namespace magpie::server
