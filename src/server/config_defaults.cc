#include <fmt/format.h>

#include <algorithm>

#include "server/config.h"
#include "server/config_fields.h"

namespace magpie::server {
namespace {

constexpr const char* kHead =
    "# Magpie configuration. Every line shows the default; keep what you change.\n"
    "# Check a file with: magpie config check FILE\n";

constexpr const char* kListenersHead =
    "\n"
    "# Where Kafka clients connect. `advertised` is the address clients are told, if it differs\n"
    "# from where the node listens (containers, NAT). `insecure` must be true to listen beyond\n"
    "# loopback, because there is no encryption and no authentication yet.\n"
    "listeners:\n";

constexpr const char* kTopicDefaultsHead =
    "  # Topic settings by their Kafka names, for topics that do not say otherwise, such as\n"
    "  # retention.ms: 86400000\n"
    "  defaults:\n";

std::string commented(const std::string& text, const std::string& indent) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += fmt::format("{}# {}\n", indent, text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string listeners_text(const ServerConfig& config) {
  std::string out = kListenersHead;
  for (const ListenerSettings& listener : config.listeners) {
    const HostPort& advertised = listener.advertised.value_or(listener.listen);
    out += fmt::format("  - name: {}\n    listen: {}\n    advertised: {}\n    insecure: {}\n",
                       listener.name, host_port_text(listener.listen), host_port_text(advertised),
                       listener.insecure);
  }
  return out;
}

size_t depth_of(const std::string& path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '.'));
}

// The headings that lead from the section `before` to the section `now`.
std::string headings_text(const std::string& before, const std::string& now) {
  std::string out;
  for (size_t end = now.find('.');; end = now.find('.', end + 1)) {
    const std::string path = now.substr(0, end);
    if (!(before + ".").starts_with(path + ".")) {
      const std::string indent(2 * depth_of(path), ' ');
      out += indent.empty() ? "\n" : "";
      out += commented(section_description(path), indent);
      out += fmt::format("{}{}:\n", indent, path.substr(path.rfind('.') + 1));
    }
    if (end == std::string::npos) return out;
  }
}

}  // namespace

std::string default_config_text() {
  const ServerConfig config;
  std::string out = kHead;
  std::string section;
  for (const ConfigField& field : config_fields()) {
    if (field.section() != section) {
      if (section == "node") out += listeners_text(config);
      if (section == "topics") out += kTopicDefaultsHead;
      out += headings_text(section, field.section());
      section = field.section();
    }
    const std::string indent(2 * depth_of(field.path), ' ');
    out += commented(field.description, indent);
    out += fmt::format("{}{}: {}\n", indent, field.name(), field.print(config));
  }
  return out;
}

}  // namespace magpie::server
