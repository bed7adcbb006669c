// The section `cluster`, checked as a whole. Private to the configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "server/config.h"

namespace magpie::server {

struct ConfigReporter {
  // A setting and what is wrong with it.
  std::function<void(const std::string& field, std::string text)> problem;
  std::function<void(std::string text)> warning;
  // Whether the file or a flag said something about this setting.
  std::function<bool(const std::string& field)> was_given;
};

struct LinkRoute {
  HostPort advertised;
  HostPort real;
};

// "10.2.0.5:9096=172.16.0.9:9096". Error: a sentence fragment, as everywhere in this folder.
Result<LinkRoute> parse_route(std::string_view text);
struct LinkLimit {
  std::string region;  // "*": any other one
  uint64_t bytes_per_second = 0;
};

// "gz=20MiB".
Result<LinkLimit> parse_link_limit(std::string_view text);
// Whether `text` is the URL of a control store.
Status check_endpoint(std::string_view text);

// Checks the section and fills in what it means for the node and the driver. Does nothing but
// complain if the node is alone. REQUIRES: the client listeners are filled in; the link's comes
// after them.
void finish_cluster(ServerConfig& config, const ConfigReporter& reporter);

}  // namespace magpie::server
