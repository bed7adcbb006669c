// One page of metrics as it is written, family by family.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace magpie::admin {

class MetricsPage {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
  }
  void sample(std::string_view labels, int64_t value) {
    fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_,
                   labels.empty() ? std::string() : fmt::format("{{{}}}", labels), value);
  }
  void sample(int64_t value) { sample("", value); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_;
};

}  // namespace magpie::admin
