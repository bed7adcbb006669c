// What a store client tells its owner (store_client.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "port/effect.h"
#include "store/messages.h"

namespace magpie::store {

// The whole state at one revision, sorted by key; keys are without the client's prefix. What was
// known before no longer counts.
struct Loaded {
  uint64_t cluster_id = 0;
  Revision revision = 0;
  std::vector<KeyValue> entries;
  // The store has forgotten changes that this client had not seen: they are in `entries`, but were
  // not and will not be reported one by one. False for the first load.
  bool after_compaction = false;
};

// A key that was put (`deleted` false) or deleted; only `key` and `mod_revision` are set then.
// All changes of one revision; revisions rise from one event to the next.
struct Changed {
  Revision revision = 0;
  std::vector<WatchEvent> changes;
};

enum class Outcome {
  kCommitted,      // exactly once, at `revision`
  kCompareFailed,  // not applied, and never will be
  kRefused,        // likewise; `error` says why
  kUnknown,        // the client froze or was stopped while it was under way
};

// The end of a transaction, exactly one for each. It may come before the Changed of its revision.
struct TransactionDone {
  uint64_t ticket = 0;
  Outcome outcome = Outcome::kUnknown;
  Revision revision = 0;
  std::optional<Error> error;
};

// The lease is held at least until `valid_until`; first after it was granted, then after each
// renewal. The instant is computed from when the request was sent, less the safety margin, so that
// the store never ends the lease earlier.
struct LeaseHeld {
  uint64_t handle = 0;
  LeaseId lease = 0;
  Instant valid_until;
};
// The store has ended it, or it was released. What was attached to it is deleted.
struct LeaseGone {
  uint64_t handle = 0;
};

// Every endpoint failed in turn; the client goes on trying. The message is the last failure.
struct StoreUnreachable {
  Error error;
};
struct StoreReachable {};

// Another store, or one that has gone back (a restored backup). The client has stopped: nothing it
// knew can be trusted until an operator decides.
enum class FrozenReason { kOtherStore, kWentBack };
struct StoreFrozen {
  FrozenReason reason = FrozenReason::kOtherStore;
  std::string message;
};

// Somebody else commits under this writer's name: another process with the same node id. The client
// commits nothing more; what waited is refused.
struct WriterReplaced {
  std::string message;
};

using ClientEvent = std::variant<Loaded, Changed, TransactionDone, LeaseHeld, LeaseGone,
                                 StoreUnreachable, StoreReachable, StoreFrozen, WriterReplaced>;

struct ClientOutput {
  port::Effects& effects;
  std::vector<ClientEvent>& events;
};

}  // namespace magpie::store
