// What the driver runs: the node, seen from the outside.
//
// `os` knows nothing about brokers. It delivers events, asks for the next deadline and carries out
// effects; `server` plugs in the real node and the tests plug in scripted ones.
#pragma once

#include <string>

#include "base/time.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::os {

enum class MachinePhase {
  kWorking,
  kStopped,  // everything is durable: the driver returns
  kFailed,   // cannot serve: failure() says why
};

class Machine {
 public:
  virtual ~Machine() = default;

  // Called once, before anything else.
  virtual void start(const Now& now, port::Effects& effects) = 0;

  virtual void step(const Now& now, port::Event event, port::Effects& effects) = 0;

  // Called at or after next_deadline().
  virtual void tick(const Now& now, port::Effects& effects) = 0;
  virtual Instant next_deadline() const = 0;

  virtual MachinePhase phase() const = 0;
  virtual std::string failure() const = 0;
};

}  // namespace magpie::os
