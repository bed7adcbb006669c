#include "os/url.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace magpie::os {
namespace {

bool parse_port(std::string_view text, uint16_t& port) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end && port != 0;
}

}  // namespace

std::string Url::host_and_port() const {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

std::string Url::origin() const {
  return fmt::format("{}://{}", secure ? "https" : "http", host_and_port());
}

Result<Url> parse_url(const std::string& text) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' {}", text, why));
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.secure = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return refuse("is not an address that begins with http:// or https://");
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  url.target = slash == rest.size() ? "/" : std::string(rest.substr(slash));
  if (authority.find('@') != std::string_view::npos) return refuse("must not hold a user name");
  for (const char byte : text) {
    if (byte <= ' ' || byte == '\x7f') return refuse("holds a space or a control character");
  }
  url.port = url.secure ? 443 : 80;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return refuse("lacks a closing bracket");
  const size_t colon = authority.find(':', bracket);
  if (colon != std::string_view::npos && !parse_port(authority.substr(colon + 1), url.port)) {
    return refuse("has no valid port");
  }
  authority = authority.substr(0, colon);
  if (bracket != 0) authority = authority.substr(1, bracket - 1);
  if (authority.empty()) return refuse("names no host");
  url.host = std::string(authority);
  return url;
}

}  // namespace magpie::os
