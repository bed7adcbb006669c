// Copies of which not all can be read.
//
// Nothing of them is deleted: whoever has the other copies may meet damage, too, and then somebody
// needs what can still be read here.
#include <fmt/format.h>

#include "kafka/fetch_requests.h"
#include "kafka/offset_lookups.h"
#include "kafka/record_deletions.h"
#include "node/topic_folders.h"
#include "node/topic_storage.h"

namespace magpie::node {

void TopicStorage::begin_anew(kafka::Broker& broker, kafka::Route route, bool tail_kept) {
  kafka::HostedPartition* hosted = partitions_.find(route);
  if (hosted == nullptr || stopping_) return;
  broker.fetches.partition_lost(broker, *hosted);
  broker.offset_lookups.partition_lost(broker, *hosted);
  broker.record_deletions.partition_lost(broker, *hosted);
  partitions_.call(*hosted, broker.effects,
                   [](auto& partition, auto& out) { partition.abandon(out); });
  out_of_space_.erase(route);
  const std::string folder = folder_name(hosted->topic, hosted->index.value);
  const std::string to = fmt::format("{}/{}.{}", kQuarantineFolder, folder, broker.now.wall.millis);
  broker.effects.add(port::LogLine{
      port::Severity::kWarning, "copy_put_away",
      fmt::format("partition {}: not all of this copy can be read: {}. It is put away in {} and "
                  "copied anew from its leader; {}",
                  folder, hosted->failure, to,
                  tail_kept ? "delete that folder once the copy has caught up"
                            : "it may hold records that its leader never had, so look at it before "
                              "you delete it")});
  BringingUp& up = bringing_up_[hosted->topic];
  up.topic_id = hosted->topic_id;
  ++up.opening;
  const kafka::HostedPartition& fresh = partitions_.replace(route, make_again(*hosted));
  ++folder_effects_;
  broker.effects.add(port::RenameFolder{folder_path(fresh.topic, fresh.index.value),
                                        to,
                                        {kTopicStorageOwner, kUnreadablePutAway, fresh.route}});
}

void TopicStorage::put_away(kafka::Broker& broker, const port::DiskDone& done) {
  const auto route = static_cast<kafka::Route>(done.then.cookie);
  kafka::HostedPartition* hosted = partitions_.find(route);
  if (hosted == nullptr || stopping_) return;  // deleted meanwhile
  // It may have been put away before the node was stopped.
  const bool gone = done.status || done.status.error().kind == ErrorKind::kNotFound;
  if (gone) {
    hosted->begins_anew = true;
    waiting_.push_back(route);
    return open_next(broker);
  }
  hosted->failure = done.status.error().message;
  broker.effects.add(port::LogLine{port::Severity::kWarning, "copy_not_put_away",
                                   fmt::format("partition {}: {}; it is tried again",
                                               hosted->partition->label(), hosted->failure)});
  open_later(broker, *hosted);
}

}  // namespace magpie::node
