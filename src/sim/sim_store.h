// The simulated control store: the real state machine of a store behind several sites, reached over
// paths that can be cut, with everything that etcd may do to its clients.
//
// A site answers while it and enough others can reach each other; otherwise it refuses, or holds a
// request until somebody gives up. A request that its sender has given up may still arrive later.
// Answers get lost after the request was carried out. The store can restart, lose all sites for a
// while, and come back as an older image of itself.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "control/change.h"
#include "control/refusal.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"
#include "sim/paths.h"
#include "sim/scene.h"
#include "store/service.h"

namespace magpie::sim {

// Chances in a thousand, while faults last.
struct StoreFaults {
  uint64_t lose_answer = 0;
  uint64_t late_request = 0;  // arrives seconds later
  uint64_t cut_watch = 0;     // with a part of it
};

class SimStore {
 public:
  using Caller = size_t;
  using Deliver = std::function<void(port::Event)>;
  using Decide =
      std::function<tl::expected<control::Transaction, control::Refusal>(const control::State&)>;
  // Hears of every revision that became durable, with what it changed.
  using Observer = std::function<void(const store::ImageChanges&)>;

  SimStore(Scene& scene, Paths& paths, StoreFaults faults);

  void add_site(Place place) { sites_.push_back({place, true}); }
  std::vector<std::string> endpoints() const;
  void set_observer(Observer observer) { observer_ = std::move(observer); }
  // Starts it. REQUIRES: there are sites.
  void start();

  // --- callers ---
  Caller add_caller(Place place, Deliver deliver);
  void call(Caller caller, port::HttpCall call);
  void cancel(Caller caller, port::HttpCallId call);
  // The process has ended: it hears nothing more.
  void forget(Caller caller);

  // --- an administrator with a direct line ---
  // What the newest transaction left, durable or not, of the cluster with this id. Valid until the
  // next time that it is asked for: whoever does anything meanwhile takes a copy.
  const control::State& state(const std::string& cluster_id) const;
  // Decides and commits at once; nothing if it was committed, or why not.
  std::optional<control::Refusal> commit(const std::string& cluster_id, const Decide& decide);

  // --- faults ---
  void set_site_up(size_t site, bool up) { sites_[site].up = up; }
  size_t sites() const { return sites_.size(); }
  // Ends all calls; what was not durable is gone.
  void restart();
  // Comes back as it was some time ago, as a backup that was restored under an id of its own; false
  // if there is nothing so old.
  bool roll_back();
  // Undoes that: what was written meanwhile is gone.
  void roll_forward();
  bool is_rolled_back() const { return newest_.has_value(); }
  void heal();

  const store::Image& image() const { return image_; }

 private:
  struct Site {
    Place place = 0;
    bool up = true;
  };
  struct CallerState {
    Place place = 0;
    Deliver deliver;
  };
  struct Exchange {
    Caller caller = 0;
    port::HttpCall call;
    size_t site = 0;
    bool abandoned = false;  // nobody waits for it any more
    bool arrived = false;
    bool began = false;  // the header of its answer was delivered
    bool lost = false;   // of its answer nothing more arrives
    Instant last_answer;
    // Parts of its answer on their way to the caller, which keep their order.
    std::deque<std::pair<Instant, std::function<void(Exchange&)>>> pieces;
    bool stalled = false;
  };
  using ExchangeId = port::HttpExchangeId;
  using Piece = std::function<void(Exchange&)>;

  struct Read {
    std::string cluster_id;
    store::Revision revision;
    control::State state;
  };

  bool serves(size_t site) const;
  bool is_connected(size_t site, size_t other) const;
  Duration draw_delay(Place from, Place to);
  bool happens(uint64_t per_mille) { return !scene_.healed && random_.chance(per_mille, 1'000); }
  Exchange* find(ExchangeId id);
  Now now() const { return {scene_.now(), scene_.wall()}; }

  void arrive(ExchangeId id, Instant give_up);
  void refuse(ExchangeId id);
  void carry_out();
  void replaced();
  void persist();
  void persisted(const store::Batch& batch);
  void answer(ExchangeId id, Piece piece);
  void bring(ExchangeId id);
  bool is_audible(const Exchange& exchange) const;
  void look_again(ExchangeId id, Instant give_up);
  void send_part(const port::HttpStreamPart& part);
  void end(ExchangeId id, Status status, int http_status, std::string body);
  void time_out(ExchangeId id);
  void abandon(ExchangeId id, Exchange& exchange);
  void take_snapshot();
  void plan_tick();

  Scene& scene_;
  Paths& paths_;
  StoreFaults faults_;
  Random random_;
  std::vector<Site> sites_;
  std::vector<CallerState> callers_;
  Observer observer_;
  store::Image image_;
  std::vector<store::Image> snapshots_;
  std::optional<store::Image> newest_;  // while an older one is served
  std::unique_ptr<store::StoreService> service_;
  // The last state() of this service: it is asked for much more often than it changes.
  mutable std::optional<Read> read_;
  uint64_t life_ = 0;
  bool persisting_ = false;
  port::Effects effects_;
  std::map<ExchangeId, Exchange> exchanges_;
  std::map<std::pair<Caller, port::HttpCallId>, ExchangeId> calls_;
  uint64_t next_exchange_ = 1;
  Instant planned_tick_ = Instant::never();
};

}  // namespace magpie::sim
