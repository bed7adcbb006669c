// Watches a store that this node may not use, until it has been adopted for this node.
//
// A node whose store is another one, or has gone back, is frozen (store_controller.h). The scout
// looks at what the endpoints lead to now, changes nothing there, and finds the mark that `magpie
// store adopt` leaves (adoption.h). If that store is replaced again, it looks at the next one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "control/change.h"
#include "port/effect.h"
#include "port/event.h"
#include "store/store_client.h"

namespace magpie::control {

class StoreScout {
 public:
  // The store and the revision of the node's copy. Calls are numbered from
  // config.courier.first_call.
  StoreScout(store::ClientConfig config, uint64_t known_store, Revision known_revision,
             Random random);

  void start(Instant now, port::Effects& effects);
  void stop(port::Effects& effects);

  bool owns(port::HttpCallId call) const { return client_->owns(call); }
  void step(Instant now, const port::HttpCallPart& part, port::Effects& effects);
  void step(Instant now, const port::HttpCallDone& done, port::Effects& effects);
  void tick(Instant now, port::Effects& effects);
  Instant next_deadline() const;

  // The store that was found; 0 while none has answered.
  uint64_t found() const { return found_; }
  // How far it was seen.
  Revision revision() const { return client_->highest_revision(); }
  // Up to which revision copies of the node's store were adopted there; nothing if none were.
  std::optional<Revision> adopted() const { return adopted_; }
  // The node may use it.
  bool accepted() const { return adopted_ && *adopted_ >= known_revision_; }

 private:
  void hear(Instant now);
  void look_at(const std::optional<std::string>& value);

  store::ClientConfig config_;
  const uint64_t known_store_;
  const Revision known_revision_;
  Random random_;
  std::optional<store::StoreClient> client_;
  std::vector<store::ClientEvent> events_;
  Instant again_at_ = Instant::never();
  uint64_t found_ = 0;
  std::optional<Revision> adopted_;
};

}  // namespace magpie::control
