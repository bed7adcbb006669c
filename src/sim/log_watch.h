// Looks at what nodes write into their logs: of all regions together.
//
// Clients see only what one leader shows them. Here every batch that reaches any disk is seen, so
// that two writers of one epoch are noticed when the second one writes (G2, G4), a tail that is cut
// without being kept is noticed when it goes (G10), and one can say on how many disks a record is
// when it is acknowledged (G1). Only partitions from which nothing may be deleted are watched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "sim/disk.h"
#include "sim/scene.h"

namespace magpie::sim {

// A batch as it lies in a log.
struct LoggedBatch {
  int32_t epoch = -1;
  int64_t last = 0;  // offset
  uint32_t crc = 0;

  bool operator==(const LoggedBatch&) const = default;
};
using LoggedBatches = std::map<int64_t, LoggedBatch>;  // by base offset

// The undamaged batches at the beginning of `bytes`, each with its place.
std::vector<std::pair<uint64_t, std::pair<int64_t, LoggedBatch>>> parse_log(std::string_view bytes);

// What a partition's files hold, "orders-3", from the oldest segment on.
LoggedBatches read_log(Disk& disk, const std::string& partition);
// The same of its records: what tells them apart (ledger.h), by offset.
std::map<int64_t, std::string> read_records(Disk& disk, const std::string& partition);

class LogWatch {
 public:
  explicit LogWatch(Scene& scene) : scene_(scene) {}

  // `weak`: the node says that it holds what is written and not synced (fsync interval or never).
  void watch(NodeId node, Disk& disk, bool weak = false);
  // Whether the topic is one of those from which nothing may be deleted.
  static bool watches(const std::string& topic) { return topic.starts_with("plain-"); }
  // Who hears of every batch that is written.
  using Hear = std::function<void(const std::string& partition, const LoggedBatch& batch)>;
  void set_hear(Hear hear) { hear_ = std::move(hear); }
  // What the node held is gone; nobody is to blame.
  void disk_lost(NodeId node);
  // The same, of what some weak node had not synced.
  void end_lost() { last_disk_loss_ = scene_.now(); }

  // A batch that is safe on a disk.
  struct Span {
    int64_t last = 0;  // offset
    uint32_t crc = 0;
    // It came to be safe behind a write that failed, and may be of no log.
    bool doubtful = false;

    // Whether it may be the batch with that checksum; 0: any.
    bool is(uint32_t wanted) const;
    bool operator==(const Span&) const = default;
  };
  using Spans = std::multimap<int64_t, Span>;  // by first offset
  // Whether the record at the offset is there, which was sent in a batch with that checksum.
  static bool covers(const Spans& spans, int64_t offset, uint32_t crc);

  // On how many disks the record is safe, in the sense of their nodes' policies.
  size_t holders(const std::string& partition, int64_t offset, uint32_t crc) const;
  Spans spans(NodeId node, const std::string& partition) const;
  bool holds(NodeId node, const std::string& partition, int64_t offset, uint32_t crc) const;
  Instant last_disk_loss() const { return last_disk_loss_; }

 private:
  struct Safe {
    int64_t first = 0;  // offset
    LoggedBatch batch;
    bool doubtful = false;  // see Span
  };
  // By file and place.
  using Files = std::map<std::string, std::map<uint64_t, Safe>>;
  class Eye final : public DiskObserver {
   public:
    Eye(LogWatch& watch, NodeId node, Disk& disk, bool weak)
        : watch_(watch), node_(node), disk_(disk), weak_(weak) {}
    void written(const std::string& path, std::string_view bytes) override;
    void synced(const std::string& path, const SimFile& file) override;
    void cutting(const std::string& path, uint64_t size) override;
    void moved(const std::string& path) override { files_.erase(path); }
    void failed(const std::string& path) override;
    void crashed() override { failing_.clear(); }

    void forget();
    bool holds(const std::string& partition, int64_t offset, uint32_t crc) const;
    Spans spans(const std::string& partition) const;

   private:
    bool is_kept(std::string_view bytes) const;

    LogWatch& watch_;
    const NodeId node_;
    Disk& disk_;
    const bool weak_;
    Files files_;
    std::set<std::string> failing_;  // partitions, from a failure to the next cut
  };

  void check_writer(NodeId node, const std::string& partition, int64_t base,
                    const LoggedBatch& batch);

  Scene& scene_;
  std::vector<std::unique_ptr<Eye>> eyes_;
  std::map<NodeId, Eye*> by_node_;
  // Every batch ever written, by partition, epoch and base offset.
  std::map<std::string, std::map<std::pair<int32_t, int64_t>, LoggedBatch>> written_;
  Instant last_disk_loss_;
  Hear hear_;
};

}  // namespace magpie::sim
