// What clients were told about one partition, and whether all of it can be true at once.
//
// Every record says who sent it, so whatever a client sees can be judged: an acknowledgement or a
// fetched record claims "at this offset is this record", and claims must never contradict each
// other, across restarts and power losses. What was claimed must be there at the end.
//
// Under `fsync: interval` and `never` a power loss may take a suffix of the log. Claims made before
// it are then provisional: the first contradiction shows where the log was cut, and drops them from
// there on, but nothing that was seen again since.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/scene.h"

namespace magpie::sim {

// Who sent a record: producer, and its how-manieth record to this partition.
struct Origin {
  int32_t producer = 0;
  int64_t number = 0;

  auto operator<=>(const Origin&) const = default;
};

// Most records share few keys, so that compaction has work. Of eight records of a producer, one has
// a key of its own, and the next one deletes that key.
bool is_tombstone(const Origin& origin);
std::string key_of(const Origin& origin, bool idempotent);
// What shows that a record is that one, and back: its value or, for a tombstone, its key.
std::string mark_of(const Origin& origin, bool idempotent);
struct ParsedMark {
  Origin origin;
  bool idempotent = false;
};
std::optional<ParsedMark> parse_mark(std::string_view mark);

class Ledger {
 public:
  struct Settings {
    std::string name;        // "orders-0"
    bool compacted = false;  // records may go, offsets stay
    bool may_trim = false;   // retention or DeleteRecords may move the start
    Duration tombstone_age;  // how long compaction must keep a tombstone
  };

  Ledger(Scene& scene, Settings settings) : scene_(scene), settings_(std::move(settings)) {}

  // Who hears of every acknowledgement; see acknowledged().
  using Hear = std::function<void(int64_t offset, uint32_t crc)>;
  void set_acknowledged(Hear hear) { hear_ = std::move(hear); }

  // --- what clients saw ---

  void sent(const Origin& origin) { sent_.emplace(origin, scene_.now()); }
  // `crc` is that of the batch it was sent in; 0 if nobody knows.
  void acknowledged(int64_t offset, const Origin& origin, bool idempotent, uint32_t crc = 0);
  // It was said that the record is stored, and not where.
  void acknowledged_somewhere(const Origin& origin) { somewhere_[origin] = scene_.now(); }
  // `epoch` is that of the leader that sent it, -1 if there is only one.
  void fetched(int64_t offset, const std::string& mark, int32_t epoch = -1);
  // A reader went from `from` to `to` and saw these records, and no others.
  void passed(int64_t from, int64_t to, const std::map<int64_t, std::string>& records);
  // An answer that names the high watermark; `known` is what high_watermark_in(epoch) was when its
  // request left. `epoch` is that of the leader that answered, -1 if there is only one.
  void saw_high_watermark(int64_t high_watermark, int64_t known, int32_t epoch = -1);
  // An answer of a copy, whose high watermark may still be that of an earlier epoch: a leader that
  // has just begun does not know it yet.
  void saw_high_watermark_of_copy(int64_t high_watermark, int32_t epoch);
  // As saw_high_watermark(), of where the log starts; `known` is what log_start_in(epoch) was.
  // Retention drops records on the leader first, so another one may start lower.
  void saw_log_start(int64_t start, int64_t known, int32_t epoch = -1);
  // DeleteRecords said that what lies below `offset` is gone; `start` is the low watermark it
  // named.
  void deleted(int64_t offset, int64_t start);
  // The leader epoch that the node named in its `boot`-th life.
  void saw_epoch(int32_t epoch, uint64_t boot);

  // A client was told who leads the partition in this epoch.
  void saw_leader(int32_t epoch, int32_t node);

  int64_t high_watermark() const { return high_watermark_; }
  int64_t high_watermark_in(int32_t epoch) const;
  int64_t log_start() const { return log_start_; }
  int64_t log_start_in(int32_t epoch) const;
  int64_t trim_asked() const { return trim_asked_; }
  // Whether records may be gone because somebody wanted that.
  bool may_trim() const { return settings_.may_trim || trim_asked_ > 0; }
  // Largest start that DeleteRecords has asked for.
  void asked_to_trim(int64_t start);

  // Power was lost and the fsync policy lets unsynced records go.
  void power_lost();

  // A failover that nobody calls lossless: of what lies below `ceiling` and was not read in this
  // epoch or a later one, a suffix may be gone. No record that is new will lie there.
  void failed_over_with_loss(int32_t epoch, int64_t ceiling);
  bool failed_over_with_loss() const { return !losses_.empty(); }
  // Acknowledged records that went with that epoch's begin, as the reading to the end has shown;
  // those that another loss can have taken are nobody's. `newest` is when the last one was
  // sent that was acknowledged before.
  struct Lost {
    int64_t records = 0;
    Instant oldest = Instant::never();  // acknowledgement
    Instant newest;
    void add(const Lost& other);
  };
  Lost lost_by(int32_t epoch) const;
  // Whether the log may have ended there after a loss, for who knows of records behind that.
  bool may_end_at(int64_t offset) const;
  // A record in [from, to) that was given out before the last loss, which was known at `asked`, and
  // was read after it. Nothing can be told after another loss: what is left may be of another log.
  std::optional<int64_t> left_between(int64_t from, int64_t to, Instant asked) const;
  // Of the batches of this epoch none is known that lies lower than this one.
  bool may_be_first(int32_t epoch, int64_t base);
  // Whether offsets may be left out from one record to the next.
  bool may_jump(int64_t from, int64_t to) const;

  // The log was read from `start` to `end`, from `began` until now: all that must be there was
  // there?
  void read_to_the_end(int64_t start, int64_t end, const std::map<int64_t, std::string>& records,
                       Instant began);

  const Settings& settings() const { return settings_; }
  size_t claims() const { return claims_.size(); }
  size_t acknowledgements() const { return acknowledgements_; }
  bool lost_power() const { return generation_ > 0; }
  // True if a client was told that this record is stored.
  bool is_acknowledged(int64_t offset) const;
  // The same, of those that no loss may have taken; in order.
  struct Kept {
    int64_t offset = 0;
    uint32_t crc = 0;
    bool operator==(const Kept&) const = default;
  };
  std::vector<Kept> must_be_kept() const;
  bool must_be_kept(int64_t offset) const;

 private:
  struct Claim {
    Origin origin;
    bool idempotent = false;
    bool acknowledged = false;
    uint64_t generation = 0;  // when it was last seen
    uint64_t born = 0;        // when it was first seen
    int32_t epoch = -1;       // the newest in which it was read
    Instant told;             // when the acknowledgement was first heard
    uint32_t crc = 0;         // of its batch, if it is acknowledged
    Instant known;            // when it was first heard of
  };
  using Claims = std::map<int64_t, Claim>;

  void claim(int64_t offset, const Claim& claim);
  void drop_from(int64_t offset);
  void check_last_of_keys(const std::map<int64_t, std::string>& records);
  void check_deleted_keys(const std::map<int64_t, std::string>& records, Instant began);
  bool may_have_expired(const Origin& origin) const;
  void check_order(int64_t start, const std::map<int64_t, std::string>& records);
  bool excuse_late(int64_t offset, const Origin& origin,
                   std::set<std::pair<int32_t, int32_t>>& excused) const;
  void check_once(int64_t offset, const Claim& claim);
  bool may_be_lost(int64_t offset, const Claim& claim) const;
  bool may_be_compacted(int64_t offset, const Claim& claim) const;
  void check_losses(int64_t start, const std::map<int64_t, std::string>& records);
  bool is_of_an_older_tail(int64_t offset, const Claim& shown) const;
  bool is_of_another_log(int64_t gone, int64_t stays) const;
  void count_loss(int64_t offset, const Claim& claim, bool is_there);
  void count_losses(int64_t start, const std::map<int64_t, std::string>& records);
  void check_somewhere(const std::map<int64_t, std::string>& records);
  void check_in_time(int64_t offset, const Claim& claim);
  std::string text(int64_t offset, const Claim& claim) const;

  Scene& scene_;
  Settings settings_;
  Hear hear_;
  std::map<Origin, Instant> sent_;
  std::map<int32_t, int64_t> first_batches_;  // by epoch, of those that were read
  Claims claims_;
  std::vector<Claims::value_type> displaced_;  // lost, and their offsets name others now
  std::map<Origin, int64_t> offsets_;          // of idempotent producers' records
  std::map<Origin, Instant> somewhere_;        // see acknowledged_somewhere()
  int64_t high_watermark_ = 0;
  int64_t log_start_ = 0;
  int64_t trim_asked_ = 0;
  int32_t epoch_ = -1;
  uint64_t epoch_boot_ = 0;
  std::map<int32_t, int64_t> high_watermarks_;  // by epoch
  std::map<int32_t, int64_t> log_starts_;       // by epoch
  int64_t deleted_below_ = 0;                   // and no failover without loss brings it back
  std::map<int32_t, int32_t> leaders_;          // by epoch
  struct Loss {
    int32_t epoch = -1;  // that began with it
    int64_t ceiling = 0;
    Instant when;
  };
  std::vector<Loss> losses_;
  std::map<int32_t, Lost> lost_;  // by epoch
  uint64_t generation_ = 0;       // power losses that may have cut the log
  size_t acknowledgements_ = 0;
};

}  // namespace magpie::sim
