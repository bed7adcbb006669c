// Creates and deletes topics, adds partitions, alters settings, deletes records, and keeps looking
// whether the cluster remembers what it has confirmed: a created topic stays until somebody deletes
// it, with its partitions and settings; a deleted one stays away, and so do its records when there
// is a topic of that name again; a partition's leader epoch rises with every start of the node.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
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
    bool deleting = false;            // somebody asked for its deletion
    uint64_t changes = 0;             // times it was to be created or deleted
    uint64_t life = 0;                // of how many topics with this name it is
    int32_t partitions = 0;           // confirmed
    int32_t partitions_asked = 0;     // the most that were asked for
    int32_t partitions_in_doubt = 0;  // the most that were asked for without an answer
    // What retention.ms may be, and what it may become when a request that got no answer is carried
    // out late.
    std::set<std::string> retention;
    std::set<std::string> retention_in_doubt;
    int64_t sent = 0;    // records that may be in its first partition
    int64_t stored = 0;  // those that are for certain

    // It is to be created. Requests that got no answer may still concern the new topic.
    void begin(int32_t with_partitions) {
      state = State::kMaybe;
      deleting = false;
      ++changes;
      ++life;
      partitions = with_partitions;
      partitions_asked = std::max(partitions_in_doubt, with_partitions);
      retention = retention_in_doubt;
      retention.insert("604800000");
      sent -= stored;
      stored = 0;
    }
  };

  void next();
  void next_soon();
  void create();
  void remove();
  void delete_records();
  void add_partitions();
  void alter_configs();
  void describe_configs();
  void produce();
  void stored(const std::string& name, int64_t offset);
  // A topic that is there; empty if there is none.
  std::string some_topic();
  void look();
  void take(const wire::MetadataResponse& response,
            const std::map<std::string, Temporary>& when_asked);
  void check_partitions(const std::string& name, int32_t found, const Temporary& asked);
  void check_epochs(const wire::MetadataResponseTopic& topic);

  Surroundings around_;
  Random random_;
  Brokers brokers_;
  std::map<std::string, Temporary> topics_;
  int next_number_ = 0;
};

}  // namespace magpie::sim
