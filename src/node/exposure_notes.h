// What the leader of a failover group knows of its exposure history (control/exposure.h).
//
// The cluster state says when an episode with too few copies lasts; while it does, this counts what
// the partitions acknowledge, writes it down now and then, and once more for good when the episode
// or the term is over. Counting begins before the partitions are told that fewer copies are
// required, and ends before they are told that more are, so what is called complete is; if it could
// not begin in time, nothing is.
//
// What it does not do: it does not try again for good. If the control store refuses the last count,
// the one before stays, as the lower bound that it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "base/time.h"
#include "control/replication.h"
#include "kafka/broker.h"
#include "kafka/partition_table.h"
#include "replication/exposure_count.h"

namespace magpie::node {

class ExposureNotes {
 public:
  // The cluster state may have changed. To be called before the partitions follow it. `late`: an
  // episode that begins now should have begun before, so its count is a lower bound.
  void follow(kafka::Broker& broker, const control::Term& term,
              const std::set<kafka::Route>& routes, bool late);
  // The term began in a partition that came later.
  void added(kafka::Route route, const partition::Partition& partition);
  // A partition belongs to another group now, or is gone; what it acknowledged last may not be seen
  // any more.
  void removed(kafka::Broker& broker, kafka::Route route);
  // Looks at the partitions, and writes the count down if it is time.
  void look(kafka::Broker& broker, const control::Term& term);
  // The term is over.
  void end(kafka::Broker& broker, const control::Term& term);

  // Of the episode that lasts, as of the last look; 0 if none does. It is no older than the term.
  Duration lasts() const { return lasts_; }
  int64_t records() const { return count_.records(); }
  int64_t bytes() const { return count_.bytes(); }

 private:
  void count(kafka::Broker& broker);
  void finish(kafka::Broker& broker, const control::Term& term);
  void write(kafka::Broker& broker, const control::Term& term, bool complete);

  std::optional<int64_t> episode_;  // that lasts
  std::set<kafka::Route> routes_;   // that are counted in it
  replication::ExposureCount count_;
  bool saw_all_ = true;
  Instant began_;
  Duration lasts_;
  Instant next_write_;
  Duration delay_;
  // A count is on its way; outlives the term, as proposals may.
  std::shared_ptr<bool> writing_ = std::make_shared<bool>(false);
};

}  // namespace magpie::node
