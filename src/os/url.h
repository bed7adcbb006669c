// "https://host:port/path", taken apart. Private to this folder.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace magpie::os {

struct Url {
  bool secure = false;  // https
  std::string host;     // without the brackets of an IPv6 address
  uint16_t port = 0;
  std::string target;  // path and query; at least "/"

  // "https://host:port", what connections are shared by.
  std::string origin() const;
  // What stands in the Host header.
  std::string host_and_port() const;
};

// Error: kInvalidArgument with a sentence that quotes the text. User names in URLs are refused:
// they end up in logs.
Result<Url> parse_url(const std::string& text);

}  // namespace magpie::os
