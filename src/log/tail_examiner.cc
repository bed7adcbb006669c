#include "log/tail_examiner.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/big_endian.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "log/batch_scan.h"
#include "record/batch.h"

namespace magpie::log {
namespace {

constexpr uint64_t kWindowBytes = 1024 * 1024;
// Byte places in a batch header that are never all zero; docs/formats/record-batch.md.
constexpr uint64_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kCoveredFrom = 21;
// Only so much is read to see whether the damaged batch ends where the file does.
constexpr uint64_t kLastBatchMax = 16 * 1024 * 1024;
// A candidate may need a large read to check; beyond this many such bytes the search gives up and
// calls the file corrupt. Only a file made to look that way gets there.
constexpr uint64_t kCandidateBytesMax = 4ull * 1024 * 1024 * 1024;

// True if `size` bytes from the start of `bytes` would match their checksum.
bool checksum_holds(std::span<const std::byte> bytes, uint64_t size) {
  if (size < record::kBatchHeaderBytes || size > bytes.size()) return false;
  return load_big_endian<uint32_t>(bytes, kCrcAt) ==
         crc32c(bytes.subspan(kCoveredFrom, size - kCoveredFrom));
}

class Examiner : public std::enable_shared_from_this<Examiner> {
 public:
  Examiner(DiskCalls& disk, port::FileRef file, uint64_t position, uint64_t end, Offset expected,
           std::function<void(Step&, const Verdict&)> done)
      : disk_(disk),
        file_(std::move(file)),
        damage_(position),
        end_(end),
        expected_(expected),
        done_(std::move(done)),
        lost_(position, expected),
        search_from_(position + 1) {}

  // The first read must show the first batch as a whole, if it is one.
  void start(Step& step) {
    read(step, damage_, record::kBatchHeaderBytes, [this](Step& later, const Buffer& bytes) {
      const uint64_t left = end_ - damage_;
      const uint64_t needed =
          std::max({claimed_size(bytes.bytes()), left <= kLastBatchMax ? left : 0, uint64_t{1}});
      read(later, damage_, needed, [this](Step& last, const Buffer& whole) {
        first_ = classify(whole.bytes());
        search(last, damage_, kWindowBytes);
      });
    });
  }

 private:
  using Then = std::function<void(Step&, const Buffer&)>;

  void read(Step& step, uint64_t from, uint64_t length, Then then) {
    auto resume = [self = shared_from_this(), then = std::move(then)](Step& later,
                                                                      const port::DiskDone& done) {
      if (!done.status) {
        return self->done_(later, {.kind = Verdict::Kind::kReadFailed,
                                   .reason = {},
                                   .next_batch = std::nullopt,
                                   .error = done.status.error()});
      }
      then(later, done.data);
    };
    step.ask(
        port::ReadFile{file_, from, std::min(length, end_ - from), disk_.then(std::move(resume))});
  }

  // The size the first batch says it has; 0 if that is out of the question.
  static uint64_t claimed_size(std::span<const std::byte> bytes) {
    if (bytes.size() < record::kBatchHeaderBytes) return 0;
    const record::BatchHeader header = record::parse_header(bytes);
    if (header.length < 0) return 0;
    return header.size_bytes() <= record::kBatchBytesMax ? header.size_bytes() : 0;
  }

  FirstBatch classify(std::span<const std::byte> bytes) const {
    const uint64_t left = end_ - damage_;
    if (left < record::kBatchHeaderBytes) return FirstBatch::kCutOff;
    if (bytes.size() < record::kBatchHeaderBytes) return FirstBatch::kGarbage;
    const record::BatchHeader header = record::parse_header(bytes);
    const uint64_t claimed = claimed_size(bytes);
    if (checksum_holds(bytes, claimed)) return FirstBatch::kHeaderOnly;
    // A damaged length: does the batch end where the file does?
    if (left <= bytes.size() && checksum_holds(bytes, left)) return FirstBatch::kHeaderOnly;
    if (!record::is_plausible(header) || header.base_offset != expected_) {
      return FirstBatch::kGarbage;
    }
    return claimed > left ? FirstBatch::kCutOff : FirstBatch::kContent;
  }

  // Looks for a valid batch in the window that begins at `from`.
  void search(Step& step, uint64_t from, uint64_t length) {
    if (from >= end_) return finish(step, std::nullopt);
    read(step, from, length,
         [this, from](Step& later, const Buffer& window) { on_window(later, from, window); });
  }

  void on_window(Step& step, uint64_t from, const Buffer& window) {
    const auto bytes = window.bytes();
    const bool last = from + bytes.size() >= end_ || bytes.size() < record::kBatchHeaderBytes;
    for (uint64_t at = std::max(search_from_, from); at - from < bytes.size(); ++at) {
      search_from_ = at;
      const size_t offset_in_window = at - from;
      if (bytes.size() - offset_in_window < record::kBatchHeaderBytes) break;
      // The magic byte first: nearly all places are ruled out by it.
      if (bytes[offset_in_window + kMagicAt] != static_cast<std::byte>(record::kMagic)) continue;
      const BatchLook look = look_at_batch(bytes, offset_in_window, expected_);
      if (look.header.base_offset - expected_ > INT32_MAX) continue;
      if (look.kind == BatchLook::Kind::kWhole) {
        // To the end of its first sector: a base offset begins with zeros, so that sector may be
        // lost although the batch is valid.
        const size_t sector_end = (at / kSectorBytes + 1) * kSectorBytes - from;
        look_for_zeros(from, bytes.first(std::min(bytes.size(), sector_end)));
        return finish(step, at);
      }
      if (look.kind == BatchLook::Kind::kShort && look.needed <= end_ - at) {
        candidate_bytes_ += look.needed;
        if (candidate_bytes_ > kCandidateBytesMax) return finish(step, at);
        look_for_zeros(from, bytes.first(offset_in_window));
        return search(step, at, std::max(look.needed, kWindowBytes));
      }
    }
    if (last) {
      look_for_zeros(from, bytes);
      lost_.end_of_file();
      return finish(step, std::nullopt);
    }
    look_for_zeros(from, bytes.first(search_from_ - from));
    search(step, search_from_, kWindowBytes);
  }

  // Windows overlap; the finder wants every byte once.
  void look_for_zeros(uint64_t from, std::span<const std::byte> bytes) {
    const uint64_t seen = lost_.position();
    if (from + bytes.size() > seen) lost_.add(bytes.subspan(seen - from));
  }

  void finish(Step& step, std::optional<uint64_t> next_batch) {
    const bool lost = first_ == FirstBatch::kHeaderOnly ? lost_.found_in_front() : lost_.found();
    done_(step, judge_damage(first_, lost, next_batch));
  }

  DiskCalls& disk_;
  const port::FileRef file_;
  const uint64_t damage_;
  const uint64_t end_;
  const Offset expected_;
  const std::function<void(Step&, const Verdict&)> done_;
  LostSectorFinder lost_;
  uint64_t search_from_;
  uint64_t candidate_bytes_ = 0;
  FirstBatch first_ = FirstBatch::kGarbage;
};

}  // namespace

LostSectorFinder::LostSectorFinder(uint64_t position, Offset expected)
    : first_(position), expected_(expected), position_(position) {}

void LostSectorFinder::add(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    zeros_ &= byte == std::byte{0};
    ++piece_;
    ++position_;
    if (position_ % kSectorBytes == 0) close_sector();
  }
}

void LostSectorFinder::end_of_file() {
  if (piece_ > 0) close_sector();
}

void LostSectorFinder::close_sector() {
  bool evidence = zeros_;
  const bool in_front = position_ - piece_ == first_;
  if (in_front && piece_ <= kMagicAt) {
    // The piece in front may hold nothing but the leading zeros of a base offset. It counts only if
    // the offset that must stand there has another byte in it.
    Buffer offset = Buffer::allocate(8);
    store_big_endian(offset.mutable_bytes(), 0, expected_.value);
    const auto expected = offset.bytes().first(std::min<uint64_t>(piece_, 8));
    evidence &= std::any_of(expected.begin(), expected.end(),
                            [](std::byte byte) { return byte != std::byte{0}; });
  }
  found_ |= evidence;
  found_in_front_ |= evidence && in_front;
  zeros_ = true;
  piece_ = 0;
}

Verdict judge_damage(FirstBatch first, bool lost_sector, std::optional<uint64_t> next_batch) {
  Verdict verdict{.kind = Verdict::Kind::kTorn, .reason = {}, .next_batch = next_batch};
  if (lost_sector || planted(PlantedBug::kTornMiddleAsTail)) {
    verdict.reason = "a sector was never written";
    return verdict;
  }
  if (next_batch) {
    verdict.kind = Verdict::Kind::kCorrupt;
    verdict.reason = fmt::format("a valid batch follows at byte {}", *next_batch);
    return verdict;
  }
  switch (first) {
    case FirstBatch::kCutOff:
      verdict.reason = "the file ends inside a batch";
      break;
    case FirstBatch::kGarbage:
      verdict.reason = "the file ends with bytes that are no batch";
      break;
    case FirstBatch::kHeaderOnly:
      verdict.kind = Verdict::Kind::kCorrupt;
      verdict.reason = "the last batch is whole but its header was changed";
      break;
    case FirstBatch::kContent:
      verdict.kind = Verdict::Kind::kCorrupt;
      verdict.reason = "all sectors of the last batch were written, but its content was changed";
      break;
  }
  return verdict;
}

void examine_damage(Step& step, DiskCalls& disk, port::FileRef file, uint64_t position,
                    uint64_t end, Offset expected,
                    std::function<void(Step&, const Verdict&)> done) {
  CHECK(position < end);
  std::make_shared<Examiner>(disk, std::move(file), position, end, expected, std::move(done))
      ->start(step);
}

}  // namespace magpie::log
