// The planted bugs by name, and how soon the simulator must find each.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/planted_bug.h"

namespace magpie::sim {

struct PlantedName {
  PlantedBug bug;
  const char* name;
  // The simulator must notice it within this many seeds, from seed `first` on.
  int seeds;
  // Among the runs with several regions.
  bool regions = false;
  // Not 1 where few seeds notice it, and those before would cost minutes.
  int first = 1;
};

std::span<const PlantedName> planted_names();
std::optional<PlantedBug> find_planted(std::string_view name);

}  // namespace magpie::sim
