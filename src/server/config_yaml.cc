#include "server/config_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "control/topic_configs.h"
#include "server/config_fields.h"

namespace magpie::server {
namespace {

constexpr const char* kListeners = "listeners";
constexpr const char* kTopicDefaults = "topics.defaults";

class Reader {
 public:
  Reader(const std::string& name, ServerConfig& config, std::vector<ConfigProblem>& problems,
         std::map<std::string, int>& lines)
      : name_(name), config_(config), problems_(problems), lines_(lines) {}

  void read(const YAML::Node& root) {
    if (root.IsNull()) return;  // an empty file: all defaults
    if (!root.IsMap()) {
      problem(root, "", "expected 'section:' lines at the top of the file");
      return;
    }
    for_each_entry(root, "",
                   [&](const std::string& section, const YAML::Node& key, const YAML::Node& value) {
                     if (section == kListeners) {
                       read_listeners(value);
                     } else if (is_section(section)) {
                       read_section(section, value);
                     } else {
                       unknown(key, section, section, top_level_names());
                     }
                   });
  }

 private:
  // Calls `visit(name, key, value)` for every entry of a map; names that come twice are problems.
  template <typename Visit>
  void for_each_entry(const YAML::Node& map, const std::string& path, Visit visit) {
    std::set<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        problem(entry.first, path, "expected a name before the ':'");
        continue;
      }
      const std::string& name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        problem(entry.first, join(path, name), "is there twice; keep one of the two");
        continue;
      }
      lines_[join(path, name)] = line_of(entry.first);
      visit(name, entry.first, entry.second);
    }
  }

  void read_section(const std::string& section, const YAML::Node& value) {
    if (value.IsNull()) return;
    if (!value.IsMap()) {
      problem(value, section, "expected indented 'name: value' lines below it");
      return;
    }
    for_each_entry(
        value, section,
        [&](const std::string& name, const YAML::Node& key, const YAML::Node& setting) {
          const std::string path = join(section, name);
          if (path == kTopicDefaults) {
            read_topic_defaults(setting);
            return;
          }
          const auto& fields = config_fields();
          const auto field = std::find_if(fields.begin(), fields.end(),
                                          [&](const ConfigField& one) { return one.path == path; });
          if (field == fields.end() && is_section(path)) {
            read_section(path, setting);
          } else if (field == fields.end()) {
            unknown(key, path, name, names_in(section));
          } else {
            const auto parse = [&](const std::string& text) { return field->parse(config_, text); };
            setting.IsSequence() && field->is_list ? read_list(setting, path, parse)
                                                   : read_scalar(setting, path, parse);
          }
        });
  }

  template <typename Parse>
  void read_list(const YAML::Node& value, const std::string& path, Parse parse) {
    std::string all;
    for (const YAML::Node& entry : value) {
      if (!entry.IsScalar() || entry.Scalar().empty() ||
          entry.Scalar().find(',') != std::string::npos) {
        problem(entry, path, "expected a single value in each entry");
        return;
      }
      if (const Status good = parse(entry.Scalar()); !good) {
        problem(entry, path, fmt::format("{}, found '{}'", good.error().message, entry.Scalar()));
        return;
      }
      all += (all.empty() ? "" : ",") + entry.Scalar();
    }
    (void)parse(all);
  }

  template <typename Parse>
  void read_scalar(const YAML::Node& value, const std::string& path, Parse parse) {
    if (!value.IsScalar()) {
      problem(value, path, value.IsNull() ? "has no value" : "expected a single value");
      return;
    }
    const Status parsed = parse(value.Scalar());
    if (!parsed) {
      problem(value, path, fmt::format("{}, found '{}'", parsed.error().message, value.Scalar()));
    }
  }

  void read_listeners(const YAML::Node& value) {
    if (!value.IsSequence() || value.size() == 0) {
      problem(value, kListeners, "expected a list of listeners, each beginning with '- name:'");
      return;
    }
    config_.listeners.clear();
    for (const YAML::Node& entry : value) {
      const std::string path = fmt::format("{}[{}]", kListeners, config_.listeners.size());
      lines_[path] = line_of(entry);
      read_listener(entry, path, config_.listeners.emplace_back());
    }
  }

  void read_listener(const YAML::Node& value, const std::string& path, ListenerSettings& listener) {
    if (!value.IsMap()) {
      problem(value, path, "expected 'name:', 'listen:' and perhaps 'advertised:'");
      return;
    }
    const auto address_into = [](const std::string& text, auto& place) -> Status {
      Result<HostPort> parsed = parse_host_port(text);
      if (!parsed) return fail(parsed.error());
      place = std::move(*parsed);
      return {};
    };
    listener.name.clear();
    bool has_listen = false;
    for_each_entry(
        value, path,
        [&](const std::string& name, const YAML::Node& key, const YAML::Node& setting) {
          read_scalar_if(name == "name", setting, path + ".name", [&](const std::string& text) {
            listener.name = text;
            return Status{};
          });
          read_scalar_if(name == "listen", setting, path + ".listen", [&](const std::string& text) {
            return address_into(text, listener.listen);
          });
          read_scalar_if(
              name == "advertised", setting, path + ".advertised",
              [&](const std::string& text) { return address_into(text, listener.advertised); });
          read_scalar_if(
              name == "insecure", setting, path + ".insecure", [&](const std::string& text) {
                if (text != "true" && text != "false") {
                  return Status(fail(ErrorKind::kInvalidArgument, "expected true or false"));
                }
                listener.insecure = text == "true";
                return Status{};
              });
          has_listen = has_listen || name == "listen";
          const std::vector<std::string> known = {"name", "listen", "advertised", "insecure"};
          if (std::find(known.begin(), known.end(), name) == known.end()) {
            unknown(key, join(path, name), name, known);
          }
        });
    if (listener.name.empty()) problem(value, path + ".name", "is missing");
    if (!has_listen) problem(value, path + ".listen", "is missing");
  }

  template <typename Parse>
  void read_scalar_if(bool wanted, const YAML::Node& value, const std::string& path, Parse parse) {
    if (wanted) read_scalar(value, path, parse);
  }

  void read_topic_defaults(const YAML::Node& value) {
    if (value.IsNull()) return;
    if (!value.IsMap()) {
      problem(value, kTopicDefaults, "expected indented lines such as 'retention.ms: 86400000'");
      return;
    }
    for_each_entry(value, kTopicDefaults,
                   [&](const std::string& name, const YAML::Node& key, const YAML::Node& setting) {
                     const std::string path = join(kTopicDefaults, name);
                     const control::ConfigDefinition* definition = control::find_topic_config(name);
                     if (definition == nullptr) {
                       unknown_hint(key, path, std::string(control::nearest_topic_config(name)));
                       return;
                     }
                     read_scalar(setting, path, [&](const std::string& text) -> Status {
                       if (const auto wrong = control::config_value_problem(*definition, text)) {
                         return fail(ErrorKind::kInvalidArgument, *wrong);
                       }
                       config_.node.topic_defaults[name] = text;
                       return {};
                     });
                   });
  }

  // --- problems ---

  static int line_of(const YAML::Node& node) { return node.Mark().line + 1; }
  static std::string join(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void problem(const YAML::Node& node, const std::string& field, std::string text) {
    // A value that is not there has no place of its own.
    const auto known = lines_.find(field);
    const int best = node.IsNull() && known != lines_.end() ? known->second : line_of(node);
    problems_.push_back({fmt::format("{}:{}", name_, best), best, field, std::move(text)});
  }

  void unknown(const YAML::Node& key, const std::string& path, const std::string& word,
               const std::vector<std::string>& candidates) {
    std::string hint = nearest_word(word, candidates);
    if (hint.empty()) {
      // Perhaps it is known, but in another section.
      for (const ConfigField& field : config_fields()) {
        if (field.name() == word) hint = field.path;
      }
    }
    unknown_hint(key, path, hint);
  }

  void unknown_hint(const YAML::Node& key, const std::string& path, const std::string& hint) {
    problem(key, path,
            hint.empty() ? "is not a known setting; magpie config print-defaults shows all"
                         : fmt::format("is not a known setting; did you mean '{}'?", hint));
  }

  static bool is_section(const std::string& name) {
    const auto& fields = config_fields();
    return std::any_of(fields.begin(), fields.end(), [&](const ConfigField& field) {
      return field.path.starts_with(name + ".");
    });
  }

  static std::vector<std::string> top_level_names() {
    std::vector<std::string> names = {kListeners};
    for (const ConfigField& field : config_fields()) {
      names.push_back(field.path.substr(0, field.path.find('.')));
    }
    return names;
  }

  static std::vector<std::string> names_in(const std::string& section) {
    std::vector<std::string> names;
    for (const ConfigField& field : config_fields()) {
      if (!field.path.starts_with(section + ".")) continue;
      const std::string rest = field.path.substr(section.size() + 1);
      names.push_back(rest.substr(0, rest.find('.')));
    }
    if (section == "topics") names.push_back("defaults");
    return names;
  }

  const std::string& name_;
  ServerConfig& config_;
  std::vector<ConfigProblem>& problems_;
  std::map<std::string, int>& lines_;
};

}  // namespace

void apply_yaml(std::string_view yaml, const std::string& name, ServerConfig& config,
                std::vector<ConfigProblem>& problems, std::map<std::string, int>& lines) {
  // The library throws; this is the boundary.
  try {
    Reader(name, config, problems, lines).read(YAML::Load(std::string(yaml)));
  } catch (const YAML::Exception& error) {
    const int line = std::max(error.mark.line, 0) + 1;
    problems.push_back({fmt::format("{}:{}", name, line), line, "",
                        fmt::format("this is not valid YAML: {}", error.msg)});
  }
}

}  // namespace magpie::server
