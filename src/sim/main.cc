// magpie_sim: runs seeds and says which of them broke a guarantee.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/planted_bug.h"
#include "sim/campaign.h"
#include "sim/planted_names.h"

namespace {

using magpie::sim::Campaign;
using magpie::sim::CampaignOptions;

constexpr const char* kUsage =
    "usage: magpie_sim [--regions] [--seed N | --seeds N | --seeds A..B] [--hours H] [--twice]\n"
    "                  [--planted NAME] [--trace] [--list-planted]\n"
    "--hours: from the first seed on, until H hours were simulated\n";

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool parse_range(std::string_view text, CampaignOptions& options) {
  const size_t dots = text.find("..");
  const auto first = dots == std::string_view::npos ? 1 : parse_number(text.substr(0, dots));
  const auto last = parse_number(dots == std::string_view::npos ? text : text.substr(dots + 2));
  if (!first || !last || *first > *last) return false;
  options.first = *first;
  options.last = *last;
  return true;
}

bool plant_by_name(std::string_view name) {
  const auto bug = magpie::sim::find_planted(name);
  if (!bug) return false;
#ifdef MAGPIE_PLANTED_BUGS
  magpie::plant(*bug);
  return true;
#else
  fmt::print(stderr, "this build has no planted bugs; use the debug preset\n");
  return false;
#endif
}

bool parse(int count, char** arguments, CampaignOptions& options) {
  for (int i = 1; i < count; ++i) {
    const std::string_view option = arguments[i];
    const std::string_view value = i + 1 < count ? arguments[i + 1] : "";
    if (option == "--regions") {
      options.regions = true;
    } else if (option == "--twice") {
      options.twice = true;
    } else if (option == "--trace") {
      options.sink = [](const std::string& line) { fmt::print("{}\n", line); };
    } else if (option == "--list-planted") {
      for (const auto& entry : magpie::sim::planted_names()) fmt::print("{}\n", entry.name);
      std::exit(0);
    } else if (option == "--seed") {
      const auto seed = parse_number(value);
      if (!seed) return false;
      options.first = options.last = *seed;
      ++i;
    } else if (option == "--hours") {
      const auto hours = parse_number(value);
      if (!hours || *hours == 0 || *hours > 1'000'000) return false;
      options.simulated = magpie::Duration::seconds(static_cast<int64_t>(*hours) * 3'600);
      ++i;
    } else if (option == "--seeds") {
      if (!parse_range(value, options)) return false;
      ++i;
    } else if (option == "--planted") {
      if (!plant_by_name(value)) return false;
      ++i;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  CampaignOptions options;
  options.say = [](const std::string& line) { fmt::print("{}\n", line); };
  if (!parse(count, arguments, options)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  const Campaign campaign = magpie::sim::run_campaign(options);
  // measurement only
  const std::chrono::duration<double> real = std::chrono::steady_clock::now() - begin;
  fmt::print("{}", magpie::sim::describe(campaign, real.count()));
  return campaign.failed.empty() ? 0 : 1;
}
