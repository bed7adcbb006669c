// Tells a torn tail from a corrupt middle.
//
// The problem: recovery met bytes that are no valid batch. Either a power loss interrupted writes
// that nobody had been told about, and the rest of the file can be cut off; or stored records were
// damaged, and cutting them off would lose acknowledged data without a word (G12).
//
// The idea: segment files only grow. A sector of an unfinished write therefore either lies beyond
// the end of the file or reads as zeros; damage to stored records looks different. The exact rule,
// with its reasons and its limits, is in docs/formats/recovery.md; `judge_damage` is that rule, the
// examiner reads what it needs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/ids.h"
#include "log/disk_calls.h"
#include "port/file.h"

namespace magpie::log {

// Size of the unit a disk writes as a whole.
inline constexpr uint64_t kSectorBytes = 512;

struct Verdict {
  enum class Kind {
    kTorn,        // cut the file at the damage
    kCorrupt,     // refuse to open
    kReadFailed,  // `error` says why nothing can be said
  };
  Kind kind = Kind::kCorrupt;
  std::string reason;  // for the operator
  // Where the next valid batch begins, if there is one.
  std::optional<uint64_t> next_batch;
  Error error{};
};

// Finds pieces of sectors that were never written: all zeros where zeros cannot be.
class LostSectorFinder {
 public:
  // Damage begins at `position`, where the batch with base offset `expected` should be.
  LostSectorFinder(uint64_t position, Offset expected);

  // The next bytes of the file. REQUIRES: they begin where the last ones ended.
  void add(std::span<const std::byte> bytes);
  // The file ends here: its last sector may be a short one.
  void end_of_file();

  uint64_t position() const { return position_; }
  bool found() const { return found_; }
  // Whether the piece in which the damage begins is one of them.
  bool found_in_front() const { return found_in_front_; }

 private:
  void close_sector();

  uint64_t first_;  // where the damage begins
  Offset expected_;
  uint64_t position_;
  bool zeros_ = true;   // the current sector, as far as it was seen
  uint64_t piece_ = 0;  // bytes of it that were seen
  bool found_ = false;
  bool found_in_front_ = false;
};

// What is wrong with the batch where the damage begins, as far as it can be told from its bytes.
enum class FirstBatch {
  kCutOff,      // the file ends inside it
  kHeaderOnly,  // whole and matching its checksum, but for fields the checksum does not cover
  kContent,     // a plausible header, but the bytes do not match the checksum
  kGarbage,     // nothing that resembles a batch
};

// The rule of docs/formats/recovery.md. For kHeaderOnly only a sector lost in front counts: the
// checksum vouches for everything else, zeros included.
Verdict judge_damage(FirstBatch first, bool lost_sector, std::optional<uint64_t> next_batch);

// Examines `file` from `position` to its end at `end` and calls `done` with the verdict.
void examine_damage(Step& step, DiskCalls& disk, port::FileRef file, uint64_t position,
                    uint64_t end, Offset expected, std::function<void(Step&, const Verdict&)> done);

}  // namespace magpie::log
