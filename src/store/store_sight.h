// Which store a client talks to, and how far it has seen it: finds out if the store is another one
// or has gone back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "store/client_events.h"
#include "store/messages.h"

namespace magpie::store {

class StoreSight {
 public:
  // What is known from earlier runs; zeros if nothing is.
  StoreSight(uint64_t cluster_id, Revision highest)
      : cluster_id_(cluster_id), highest_(std::max<Revision>(highest, 1)) {}

  // Looks at the header of an answer. `at_least` is the highest revision that was known when the
  // request was sent: an answer that is linearizable cannot be older. For other answers it is 0.
  // False if something is wrong; problem() says what.
  bool check(const ResponseHeader& header, Revision at_least);

  // Something else shows that the store has gone back.
  void went_back(std::string message);

  uint64_t cluster_id() const { return cluster_id_; }
  // The highest revision that a linearizable answer, or a change, has shown.
  Revision highest() const { return highest_; }
  void saw(Revision revision) { highest_ = std::max(highest_, revision); }
  const std::optional<StoreFrozen>& problem() const { return problem_; }

 private:
  uint64_t cluster_id_;
  Revision highest_;  // a new store is at revision 1
  std::optional<StoreFrozen> problem_;
};

}  // namespace magpie::store
