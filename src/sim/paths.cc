#include "sim/paths.h"

#include <utility>

namespace magpie::sim {

Place Paths::add_place(std::string name) {
  names_.push_back(std::move(name));
  rows_.emplace_back();
  for (auto& row : rows_) row.resize(names_.size());
  return names_.size() - 1;
}

void Paths::mend(Place from, Place to) {
  if (path(from, to).cuts > 0) --path(from, to).cuts;
}

void Paths::mend_all() {
  for (auto& row : rows_) {
    for (Path& path : row) path.cuts = 0;
  }
}

}  // namespace magpie::sim
