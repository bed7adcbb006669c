#include "sim/scene.h"

#include <utility>

namespace magpie::sim {

void Scene::violate(std::string_view guarantee, std::string text) {
  if (violation) return;
  trace.say(now(), "VIOLATION " + text);
  violation = Violation{std::string(guarantee), std::move(text), now()};
}

}  // namespace magpie::sim
