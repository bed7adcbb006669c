// What the rest of a node needs of whoever commits its cluster state, and what it hears from it:
// Controller, where the node's own journal decides, and StoreController, where a control store
// does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/identity.h"
#include "control/refusal.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control {

// --- events -------------------------------------------------------------------------------------

// The state is read. Comes once. A node that is alone leads all groups in a new epoch now.
struct Ready {
  Identity identity;
  Leadership leadership;  // of the group `default`; does not exist if it was never led
  bool created = false;   // the data directory was empty before
};
// The node cannot start here; nothing was changed on disk. The message says what to do. A disk that
// is full or fails is no reason: it is tried again. A node that went on without the control store
// can still find out then that its directory was put back (directory_age.h).
struct StartFailed {
  Error error;
};
// state() now shows these changes. Comes before the Settled of the proposal that made them.
struct Applied {
  Revision revision = 0;
  std::vector<Difference> differences;
};
// The outcome of a proposal, exactly one per propose(): committed (or nothing to commit), or
// refused. kStorage leaves open whether the change was made and shows later.
struct Settled {
  uint64_t ticket = 0;
  std::optional<Refusal> refusal;
};

using ControllerEvent = std::variant<Ready, StartFailed, Applied, Settled>;

struct ControllerOutput {
  port::Effects& effects;
  std::vector<ControllerEvent>& events;
};

// --- the interface ------------------------------------------------------------------------------

class ClusterController {
 public:
  // Looks at the state and says what to commit. May be called more than once.
  using Decide = std::function<tl::expected<Transaction, Refusal>(const State&)>;

  virtual ~ClusterController() = default;

  // Decides and commits in the order of the calls; Settled tells. Proposals made before Ready wait.
  virtual void propose(uint64_t ticket, Decide decide, ControllerOutput& out) = 0;

  // Refuses what waits and what comes; what is under way is finished. Stopped when idle().
  virtual void stop(ControllerOutput& out) = 0;
  virtual bool idle() const = 0;

  virtual void step(const Now& now, const port::DiskDone& done, ControllerOutput& out) = 0;
  virtual void tick(const Now& now, ControllerOutput& out) = 0;
  virtual Instant next_deadline() const = 0;

  virtual const State& state() const = 0;
  // False while state() is from a copy that may be behind what this node has done itself.
  virtual bool is_current() const { return true; }
  // Why the disk refused last; nothing once a write has succeeded again.
  virtual const std::optional<Error>& storage_error() const = 0;
  virtual size_t waiting() const = 0;
};

}  // namespace magpie::control
