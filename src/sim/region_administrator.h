// Creates topics, deletes them, restores and purges what was deleted, creates others of the same
// name, adds partitions, alters settings and deletes records, in a cluster whose nodes hear of all
// that sooner or later.
//
// Whatever a node confirmed is held against what the store holds at that moment and from then on: a
// created topic is there, the same one, until somebody deletes it, with its partitions and
// settings; a deleted one is gone until somebody restores it. Every record says of which topic it
// is; in the end, a topic holds what was acknowledged to it, and nothing of another one.
//
// A request whose answer was lost may be carried out late: a name that it concerns is used no more,
// and nothing is said of it but what its records say.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/client.h"
#include "sim/cluster.h"
#include "sim/region_knobs.h"

namespace magpie::sim {

class RegionAdministrator : public Client {
 public:
  // Names of the topics that it creates begin so.
  static constexpr std::string_view kPrefix = "temporary-";

  RegionAdministrator(Surroundings around, const RegionKnobs& knobs, Cluster& cluster);

  void start() override { next_soon(); }
  bool is_done() const override { return true; }
  std::string describe() const override { return "administrator"; }

  // The group began an epoch with loss: what was acknowledged in it may be gone.
  void failed_over_with_loss(const std::string& group);
  // What lies below may be gone.
  int64_t trim_asked(const Uuid& id) const;
  // Holds what was confirmed against the store.
  void look();
  // The end of the run: `records` are those of the first partition of a topic that exists.
  void check(const std::string& name, const Uuid& id,
             const std::map<int64_t, std::string>& records);

 private:
  enum class State { kThere, kGone, kInDoubt };
  struct Temporary {
    State state = State::kGone;
    Uuid id;  // of the one that is there, or was last
    std::string group;
    bool was_restored = false;
    int32_t partitions = 0;  // confirmed
    std::string retention;   // confirmed; empty: none
    // Requests by name whose answers were lost may still concern the next topic that has it.
    bool retention_in_doubt = false;
    int64_t trim_in_doubt = 0;
  };
  // Of one topic, whatever became of its name.
  struct Life {
    std::string group;
    std::map<int64_t, std::string> acknowledged;
    int64_t trim_asked = 0;
    int sent = 0;
    bool may_lack = false;  // records that were acknowledged
  };
  // What an answer says of a change: it is made, it is not, nobody knows.
  enum class Outcome { kMade, kRefused, kUnknown };
  static Outcome outcome_of(bool answered, wire::ErrorCode error);

  void next_soon();
  void next();
  void look_at(const std::string& name, Temporary& temporary);
  std::string some(State state);
  void create();
  void created(const std::string& name, Outcome outcome);
  void remove();
  void removed(const std::string& name, Outcome outcome);
  void restore_or_purge();
  void restored(const std::string& name, bool restores, Outcome outcome);
  void add_partitions();
  void alter_configs();
  void produce();
  void delete_records();
  void delete_records_of_ledger();
  const control::Topic* find(const std::string& name) const {
    return cluster_.state().find_topic(name);
  }

  Surroundings around_;
  const RegionKnobs& knobs_;
  Cluster& cluster_;
  Random random_;
  Brokers brokers_;
  std::map<std::string, Temporary> topics_;
  std::map<Uuid, Life> lives_;
  int next_number_ = 0;
};

}  // namespace magpie::sim
