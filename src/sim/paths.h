// Which places can reach which others, and how long that takes.
//
// A place is a region's machines, its clients, or one site of the control store. Each direction
// between two places is its own: it can be cut while the other one works. Cuts add up, so that two
// faults that overlap end independently. Bytes that meet a cut wait for its end, as TCP sends them
// again; whoever waits too long gives up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace magpie::sim {

using Place = size_t;

class Paths {
 public:
  Place add_place(std::string name);

  bool is_open(Place from, Place to) const { return from == to || path(from, to).cuts == 0; }
  // Added to what the network itself takes.
  Duration distance(Place from, Place to) const { return path(from, to).distance; }

  void set_distance(Place from, Place to, Duration distance) { path(from, to).distance = distance; }
  void cut(Place from, Place to) { ++path(from, to).cuts; }
  void mend(Place from, Place to);
  void mend_all();

  const std::string& name(Place place) const { return names_[place]; }
  size_t places() const { return names_.size(); }

 private:
  struct Path {
    Duration distance;
    uint32_t cuts = 0;
  };
  Path& path(Place from, Place to) { return rows_[from][to]; }
  const Path& path(Place from, Place to) const { return rows_[from][to]; }

  std::vector<std::string> names_;
  std::vector<std::vector<Path>> rows_;
};

}  // namespace magpie::sim
