// Bytes that change and files that go on the disk of one region (G12).
#include <algorithm>
#include <iterator>

#include "record/batch.h"
#include "sim/log_watch.h"
#include "sim/region_faults.h"

namespace magpie::sim {

// Whoever holds the only other copy keeps it: nothing may be taken from an incarnation that is not
// whole any more, and nobody is, once his disk was damaged.
void RegionFaults::damage() {
  if (has_damaged_) return;
  const size_t region = some_region();
  const NodeId node = cluster_.region(region).host->id();
  if (!is_spare(node)) return;
  // Not drawn at each try, because a bit can change at any time and files only go now and then.
  const bool files = knobs_.damage_every.to_milliseconds() % 2'000 == 0;
  has_damaged_ = files ? lose_files(region) : rot(region);
  if (!has_damaged_) return;
  scene_.note("damage", node.value, rot_.has_value());
  damaged_ = cluster_.state().find_node(node)->incarnation;
}

// Somebody deleted the folder of a partition by mistake, while the node was down. A node that may
// be told to lead it could not, and nobody would have tried.
bool RegionFaults::lose_files(size_t region) {
  SimRegion& where = cluster_.region(region);
  if (where.host->is_up()) return false;
  const control::State state = cluster_.state();
  const control::Node* node = state.find_node(where.host->id());
  std::vector<std::string> folders;
  for (const auto& [name, topic] : state.topics()) {
    const auto& holders = state.leadership(state.group_of(topic, PartitionIndex{0})).promotable;
    if (control::contains(holders, {node->id, node->incarnation})) continue;
    if (LogWatch::watches(name)) folders.push_back("topics/" + name + "-0/");
  }
  if (folders.empty()) return false;
  const std::string folder = folders[random_.below(folders.size())];
  const auto gone = std::erase_if(
      where.disk->files(), [&](const auto& entry) { return entry.first.starts_with(folder); });
  if (gone == 0) return false;
  scene_.probe("files_of_a_copy_missing");
  return true;
}

// Of a record, so that only its checksum can tell.
bool RegionFaults::rot(size_t region) {
  std::vector<Rot> all;
  for (const auto& [path, file] : cluster_.region(region).disk->files()) {
    if (!path.starts_with("topics/plain-") || !path.ends_with(".log")) continue;
    for (const auto& [position, batch] : parse_log(file.content())) {
      all.push_back({region, path, position, (position + record::kBatchHeaderBytes) * 8});
    }
  }
  if (all.empty()) return false;
  rot_ = all[random_.below(all.size())];
  cluster_.region(region).disk->files().at(rot_->path).flip_bit(rot_->bit);
  scene_.probe("bit_of_a_copy_flipped");
  return true;
}

// What nobody has read is as it was; what somebody has was put away, or will be.
void RegionFaults::end_rot() {
  if (!rot_) return;
  auto& files = cluster_.region(rot_->region).disk->files();
  const auto file = files.find(rot_->path);
  if (file == files.end() || file->second.content().size() <= rot_->bit / 8) return;
  const auto batches = parse_log(file->second.content());
  const bool is_whole = std::any_of(batches.begin(), batches.end(),
                                    [&](const auto& batch) { return batch.first == rot_->batch; });
  if (!is_whole) file->second.flip_bit(rot_->bit);
}

}  // namespace magpie::sim
