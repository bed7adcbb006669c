#include "store/store_sight.h"

#include <fmt/format.h>

#include <utility>

namespace magpie::store {

bool StoreSight::check(const ResponseHeader& header, Revision at_least) {
  if (problem_) return false;
  if (cluster_id_ == 0) cluster_id_ = header.cluster_id;
  if (header.cluster_id != cluster_id_) {
    problem_ = StoreFrozen{
        FrozenReason::kOtherStore,
        fmt::format("the endpoints lead to another store: its cluster id is {}, the one known is "
                    "{}",
                    header.cluster_id, cluster_id_)};
    return false;
  }
  if (header.revision < at_least) {
    went_back(fmt::format("the store has gone back: it is at revision {}, and was seen at {}",
                          header.revision, at_least));
    return false;
  }
  if (at_least > 0) saw(header.revision);
  return true;
}

void StoreSight::went_back(std::string message) {
  if (!problem_) problem_ = StoreFrozen{FrozenReason::kWentBack, std::move(message)};
}

}  // namespace magpie::store
