// Creates and deletes topics, deletes records, and keeps looking whether the cluster remembers what
// it has confirmed: a created topic stays until somebody deletes it, a deleted one stays away, a
// partition's leader epoch rises with every start of the node.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/random.h"
#include "sim/client.h"
#include "wire/metadata.h"

namespace magpie::sim {

class Administrator : public Client {
 public:
  explicit Administrator(Surroundings around);

  void start() override { next(); }
  bool is_done() const override { return true; }
  std::string describe() const override { return "administrator"; }

 private:
  enum class State {
    kThere,
    kGone,
    kMaybe,  // an answer was lost
  };
  struct Temporary {
    State state = State::kMaybe;
    bool deleting = false;  // somebody asked for its deletion
    uint64_t changes = 0;   // requests about it so far
  };

  void next();
  void next_soon();
  void create();
  void remove();
  void delete_records();
  void look();
  void take(const wire::MetadataResponse& response,
            const std::map<std::string, Temporary>& when_asked);
  void check_epochs(const wire::MetadataResponseTopic& topic);

  Surroundings around_;
  Random random_;
  Link link_;
  std::map<std::string, Temporary> topics_;
  int next_number_ = 0;
};

}  // namespace magpie::sim
