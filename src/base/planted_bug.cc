#include "base/planted_bug.h"

namespace magpie {

#ifdef MAGPIE_PLANTED_BUGS

namespace {
PlantedBug current = PlantedBug::kNone;
}  // namespace

bool planted(PlantedBug bug) {
  return current == bug;
}
void plant(PlantedBug bug) {
  current = bug;
}

#endif

}  // namespace magpie
