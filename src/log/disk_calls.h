// Disk effects with their continuations.
//
// The problem: an operation such as opening a log is a chain of disk effects, and a machine that
// names every intermediate state by hand is hard to follow. The idea: the continuation of a rare
// operation is a closure kept here under the number that travels in the effect's completion. The
// frequent one, append, has a completion kind of its own and no closure.
//
// The guarantee: a continuation runs exactly once, when its effect has finished, and never inside
// the call that issued it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "base/time.h"
#include "engine/engine.h"
#include "port/event.h"

namespace magpie::log {

// What every step of the log is given: when it happens, and where effects and events go.
struct Step {
  const Now& now;
  engine::Output& out;

  template <typename T>
  void ask(T effect) {
    out.effects.add(std::move(effect));
  }
  template <typename T>
  void tell(T event) {
    out.events.emplace_back(std::move(event));
  }
  // One line for the operator.
  void note(port::Severity severity, std::string code, std::string text) {
    out.effects.add(port::LogLine{severity, std::move(code), std::move(text)});
  }
};

class DiskCalls {
 public:
  using Then = std::function<void(Step&, const port::DiskDone&)>;

  explicit DiskCalls(uint32_t owner) : owner_(owner) {}

  // The completion to put into an effect, so that `then` runs when it has finished.
  port::Completion then(Then then);

  // The completion of an append; on_append_done of the appender hears of `write`.
  port::Completion append(uint64_t write) const { return {owner_, kAppend, write}; }
  static bool is_append(const port::Completion& completion) { return completion.kind == kAppend; }

  // Runs the continuation that waits for `done`.
  void resume(Step& step, const port::DiskDone& done);

 private:
  static constexpr uint32_t kCall = 0;
  static constexpr uint32_t kAppend = 1;

  uint32_t owner_;
  uint64_t last_ = 0;
  std::map<uint64_t, Then> waiting_;
};

}  // namespace magpie::log
