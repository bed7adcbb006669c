#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace magpie::sim {
namespace {

template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '.') return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

}  // namespace

bool is_tombstone(const Origin& origin) {
  return origin.number % 8 == 7;
}

std::string mark_of(const Origin& origin, bool idempotent) {
  if (is_tombstone(origin)) return key_of(origin, idempotent);
  std::string value =
      fmt::format("{}{}.{}.", idempotent ? 'i' : 'p', origin.producer, origin.number);
  // Of different lengths, some over several sectors.
  const auto mixed = static_cast<uint64_t>(origin.producer * 31 + origin.number * 17);
  const uint64_t length = mixed % 16 == 0 ? 1'500 : mixed % 7 * 20;
  value.append(length, static_cast<char>('a' + mixed % 26));
  return value;
}

std::string key_of(const Origin& origin, bool idempotent) {
  if (origin.number % 8 >= 6) {
    return fmt::format("short-{}{}.{}.", idempotent ? 'i' : 'p', origin.producer,
                       origin.number | 1);
  }
  return fmt::format("key-{}", (origin.producer + origin.number) % 5);
}

std::optional<ParsedMark> parse_mark(std::string_view mark) {
  std::string_view rest = mark;
  if (rest.starts_with("short-")) rest.remove_prefix(6);
  if (rest.empty() || (rest.front() != 'i' && rest.front() != 'p')) return std::nullopt;
  ParsedMark parsed;
  parsed.idempotent = rest.front() == 'i';
  rest.remove_prefix(1);
  if (!take_number(rest, parsed.origin.producer) || !take_number(rest, parsed.origin.number)) {
    return std::nullopt;
  }
  if (mark_of(parsed.origin, parsed.idempotent) != mark) return std::nullopt;
  return parsed;
}

std::string Ledger::text(int64_t offset, const Claim& claim) const {
  return fmt::format("{} offset {}: record {} of producer {}", settings_.name, offset,
                     claim.origin.number, claim.origin.producer);
}

// --- claims --------------------------------------------------------------------------------------

void Ledger::acknowledged(int64_t offset, const Origin& origin, bool idempotent, uint32_t crc) {
  ++acknowledgements_;
  // What is acknowledged can be read from this moment on, unless the answer comes after the loss.
  const Claim told{origin, idempotent, true};
  if (!may_be_lost(offset, told)) high_watermark_ = std::max(high_watermark_, offset + 1);
  check_in_time(offset, told);
  claim(offset, {origin, idempotent, true, generation_, generation_, -1, scene_.now(), crc});
  if (hear_) hear_(offset, crc);
}

void Ledger::fetched(int64_t offset, const std::string& mark, int32_t epoch) {
  const auto parsed = parse_mark(mark);
  if (!parsed) {
    return scene_.violate(
        "G4", fmt::format("{} offset {} holds a value that nobody sent", settings_.name, offset));
  }
  const Claim seen{parsed->origin, parsed->idempotent, false, generation_, generation_, epoch};
  if (!sent_.contains(parsed->origin)) {
    return scene_.violate("G4", text(offset, seen) + " was never sent there");
  }
  claim(offset, seen);
}

void Ledger::claim(int64_t offset, const Claim& claim) {
  const auto found = claims_.find(offset);
  if (found != claims_.end()) {
    Claim& earlier = found->second;
    if (earlier.origin == claim.origin) {
      earlier.generation = generation_;
      earlier.epoch = std::max(earlier.epoch, claim.epoch);
      if (claim.acknowledged && !earlier.acknowledged) earlier.told = claim.told;
      if (claim.crc != 0) earlier.crc = claim.crc;
      earlier.acknowledged |= claim.acknowledged;
      return;
    }
    if (is_of_an_older_tail(offset, claim)) {
      scene_.probe("offset_named_again_after_loss");
      if (earlier.idempotent) offsets_.erase(earlier.origin);
      displaced_.emplace_back(*found);
      claims_.erase(found);
    } else if (earlier.generation == generation_) {
      return scene_.violate(
          earlier.acknowledged ? "G1" : "G3",
          text(offset, claim) + ", where earlier there was " + text(offset, earlier));
    } else {
      drop_from(offset);
    }
  }
  check_once(offset, claim);
  claims_[offset] = claim;
  claims_[offset].known = scene_.now();
}

// What docs/decisions/regions.md leaves open: a copy that was away while others led without loss
// still has a tail that was never committed, and is made leader with loss. What it shows was sent
// before that, so what a leader gives out below the ceiling is no such tail.
bool Ledger::is_of_an_older_tail(int64_t offset, const Claim& shown) const {
  const Claim& lost = claims_.at(offset);
  const Instant sent = sent_.at(shown.origin);
  return std::any_of(losses_.begin(), losses_.end(), [&](const Loss& loss) {
    return offset < loss.ceiling && lost.epoch < loss.epoch && shown.epoch >= loss.epoch &&
           sent <= loss.when;
  });
}

bool Ledger::may_have_expired(const Origin& origin) const {
  return is_tombstone(origin) && sent_.at(origin) + settings_.tombstone_age <= scene_.now();
}

// A reader must see that a key was deleted, unless it takes longer than delete.retention.ms. Nobody
// writes a deleted key again, so nothing later can excuse that the tombstone is gone.
void Ledger::passed(int64_t from, int64_t to, const std::map<int64_t, std::string>& records) {
  for (auto it = claims_.lower_bound(from); it != claims_.end() && it->first < to; ++it) {
    const Claim& claim = it->second;
    if (!is_tombstone(claim.origin) || claim.generation < generation_) continue;
    if (records.contains(it->first) || may_be_lost(it->first, claim)) continue;
    if (may_have_expired(claim.origin)) {
      scene_.probe("tombstone_expired");
      continue;
    }
    scene_.violate("G1", text(it->first, claim) + " deletes a key and was dropped too early");
  }
}

// A contradiction at `offset`: the log was cut there or before.
void Ledger::drop_from(int64_t offset) {
  scene_.probe("weak_fsync_lost_a_suffix");
  for (auto it = claims_.lower_bound(offset); it != claims_.end();) {
    if (it->second.born == generation_) {
      ++it;  // written since
      continue;
    }
    if (it->second.generation == generation_) {
      return scene_.violate("G10", text(it->first, it->second) +
                                       " outlived a power loss that took an earlier record");
    }
    if (it->second.idempotent) offsets_.erase(it->second.origin);
    it = claims_.erase(it);
  }
}

void Ledger::check_once(int64_t offset, const Claim& claim) {
  if (!claim.idempotent) return;
  const auto [place, fresh] = offsets_.emplace(claim.origin, offset);
  if (fresh || place->second == offset) return;
  // From a leader of before a loss, after it was sent again. If both stay, check_order() says so.
  if (may_be_lost(offset, claim)) return;
  const auto other = claims_.find(place->second);
  if (other != claims_.end() && may_be_lost(other->first, other->second)) {
    // Not acknowledged before it was lost, and sent again.
    place->second = offset;
    return;
  }
  if (other != claims_.end() && other->second.generation < generation_) {
    // The earlier copy went with a power loss.
    const int64_t from = place->second;
    drop_from(from);
    offsets_[claim.origin] = offset;
    return;
  }
  scene_.violate("G8", text(offset, claim) + fmt::format(" is also at offset {}", place->second));
}

bool Ledger::is_acknowledged(int64_t offset) const {
  const auto found = claims_.find(offset);
  return found != claims_.end() && found->second.acknowledged;
}

// --- borders -------------------------------------------------------------------------------------

int64_t Ledger::high_watermark_in(int32_t epoch) const {
  if (epoch < 0) return high_watermark_;
  const auto found = high_watermarks_.find(epoch);
  return found == high_watermarks_.end() ? 0 : found->second;
}

void Ledger::saw_high_watermark(int64_t high_watermark, int64_t known, int32_t epoch) {
  const int64_t newest = high_watermark_in(epoch);
  if (high_watermark < known && high_watermark < newest && generation_ == 0) {
    scene_.violate("G3", fmt::format("{}: the high watermark went back from {} to {}",
                                     settings_.name, known, high_watermark));
  }
  if (epoch >= 0) high_watermarks_[epoch] = std::max(newest, high_watermark);
  saw_high_watermark_of_copy(high_watermark, epoch);
}

void Ledger::saw_high_watermark_of_copy(int64_t high_watermark, int32_t epoch) {
  // What a leader of before a loss still says is no end that anybody can reach.
  const bool is_lost = std::any_of(losses_.begin(), losses_.end(), [&](const Loss& loss) {
    return epoch < loss.epoch && high_watermark <= loss.ceiling;
  });
  if (!is_lost) high_watermark_ = std::max(high_watermark_, high_watermark);
}

void Ledger::saw_leader(int32_t epoch, int32_t node) {
  if (epoch < 0) return;
  const auto [known, fresh] = leaders_.emplace(epoch, node);
  if (fresh || known->second == node) return;
  scene_.violate("G2", fmt::format("{}: node {} and node {} lead in epoch {}", settings_.name,
                                   known->second, node, epoch));
}

int64_t Ledger::log_start_in(int32_t epoch) const {
  if (epoch < 0) return log_start_;
  const auto found = log_starts_.find(epoch);
  return std::max(found == log_starts_.end() ? 0 : found->second, deleted_below_);
}

void Ledger::deleted(int64_t offset, int64_t start) {
  saw_log_start(start, offset);
  deleted_below_ = std::max(deleted_below_, offset);
}

void Ledger::saw_log_start(int64_t start, int64_t known, int32_t epoch) {
  // A damaged checkpoint takes what it knew of deleted records along; the log then starts at the
  // oldest record there is.
  if (start < known && generation_ == 0 && !scene_.damaged) {
    return scene_.violate("G10", fmt::format("{}: the log start went back from {} to {}",
                                             settings_.name, known, start));
  }
  if (!settings_.may_trim && start > trim_asked_) {
    return scene_.violate("G10", fmt::format("{}: the log starts at {}, nobody asked for that",
                                             settings_.name, start));
  }
  log_start_ = std::max(log_start_, start);
  if (epoch >= 0) log_starts_[epoch] = std::max(log_starts_[epoch], start);
}

void Ledger::saw_epoch(int32_t epoch, uint64_t boot) {
  const bool same_life = boot == epoch_boot_;
  if (epoch_ >= 0 && (same_life ? epoch != epoch_ : epoch <= epoch_)) {
    scene_.violate("epochs", fmt::format("{}: leader epoch {} in life {} after {} in life {}",
                                         settings_.name, epoch, boot, epoch_, epoch_boot_));
  }
  epoch_ = epoch;
  epoch_boot_ = boot;
}

void Ledger::asked_to_trim(int64_t start) {
  trim_asked_ = std::max(trim_asked_, start);
}

void Ledger::power_lost() {
  ++generation_;
  high_watermark_ = 0;
  log_start_ = deleted_below_ = 0;
  log_starts_.clear();
}

// --- losses --------------------------------------------------------------------------------------

void Ledger::failed_over_with_loss(int32_t epoch, int64_t ceiling) {
  losses_.push_back({epoch, ceiling, scene_.now()});
  high_watermark_ = 0;
  deleted_below_ = 0;
}

bool Ledger::may_be_first(int32_t epoch, int64_t base) {
  const auto [known, fresh] = first_batches_.emplace(epoch, base);
  if (base > known->second) return false;
  known->second = base;
  return true;
}

bool Ledger::may_end_at(int64_t offset) const {
  return std::any_of(losses_.begin(), losses_.end(),
                     [&](const Loss& loss) { return offset <= loss.ceiling; });
}

std::optional<int64_t> Ledger::left_between(int64_t from, int64_t to, Instant asked) const {
  if (losses_.empty() || losses_.back().when > asked) return std::nullopt;
  const auto end = claims_.lower_bound(std::min(to, losses_.back().ceiling));
  for (auto claim = claims_.lower_bound(from); claim != claims_.end() && claim != end; ++claim) {
    if (claim->second.epoch >= losses_.back().epoch) return claim->first;
  }
  return std::nullopt;
}

bool Ledger::may_jump(int64_t from, int64_t to) const {
  return std::any_of(losses_.begin(), losses_.end(),
                     [&](const Loss& loss) { return from <= loss.ceiling && loss.ceiling <= to; });
}

bool Ledger::may_be_lost(int64_t offset, const Claim& claim) const {
  return std::any_of(losses_.begin(), losses_.end(), [&](const Loss& loss) {
    return offset < loss.ceiling && claim.epoch < loss.epoch;
  });
}

// Whoever led before a loss may acknowledge nothing any more, and nothing new lies below.
void Ledger::check_in_time(int64_t offset, const Claim& claim) {
  const Instant sent = sent_.at(claim.origin);
  for (const Loss& loss : losses_) {
    if (offset >= loss.ceiling || sent <= loss.when) continue;
    return scene_.violate(
        "G1", text(offset, claim) + fmt::format(" was sent after epoch {} began with loss above {} "
                                                "and is acknowledged by a leader of before",
                                                loss.epoch, loss.ceiling));
  }
}

void Ledger::Lost::add(const Lost& other) {
  records += other.records;
  oldest = std::min(oldest, other.oldest);
  newest = std::max(newest, other.newest);
}

Ledger::Lost Ledger::lost_by(int32_t epoch) const {
  const auto found = lost_.find(epoch);
  return found == lost_.end() ? Lost{} : found->second;
}

void Ledger::count_losses(int64_t start, const std::map<int64_t, std::string>& records) {
  lost_.clear();
  for (const auto& [offset, claim] : claims_) {
    if (offset >= start) count_loss(offset, claim, records.contains(offset));
  }
  for (const auto& [offset, claim] : displaced_) {
    if (offset >= start) count_loss(offset, claim, /*is_there=*/false);
  }
}

void Ledger::count_loss(int64_t offset, const Claim& claim, bool is_there) {
  if (!claim.acknowledged) return;
  const Loss* by = nullptr;
  size_t possible = 0;
  for (const Loss& loss : losses_) {
    if (offset >= loss.ceiling) continue;
    // Whatever became of it: the leader that was lost acknowledged it, and not before it was
    // sent. When a client heard of that says less: an answer can be on its way for long.
    if (claim.told <= loss.when) {
      Instant& newest = lost_[loss.epoch].newest;
      newest = std::max(newest, sent_.at(claim.origin));
    }
    if (claim.epoch >= loss.epoch) continue;
    by = &loss;
    ++possible;
  }
  if (possible != 1 || is_there || may_be_compacted(offset, claim)) return;
  Lost& lost = lost_[by->epoch];
  lost.newest = std::max(lost.newest, sent_.at(claim.origin));
  ++lost.records;
  lost.oldest = std::min(lost.oldest, claim.told);
}

// A later record has its key, or it deletes one and may have expired.
bool Ledger::may_be_compacted(int64_t offset, const Claim& claim) const {
  if (!settings_.compacted) return false;
  const std::string key = key_of(claim.origin, claim.idempotent);
  return may_have_expired(claim.origin) ||
         std::any_of(claims_.upper_bound(offset), claims_.end(), [&](const auto& later) {
           return key_of(later.second.origin, later.second.idempotent) == key;
         });
}

bool Ledger::must_be_kept(int64_t offset) const {
  const auto found = claims_.find(offset);
  return found != claims_.end() && found->second.acknowledged &&
         !may_be_lost(offset, found->second);
}

std::vector<Ledger::Kept> Ledger::must_be_kept() const {
  std::vector<Kept> kept;
  for (const auto& [offset, claim] : claims_) {
    if (claim.acknowledged && !may_be_lost(offset, claim)) kept.push_back({offset, claim.crc});
  }
  return kept;
}

// Of two copies that took over with loss one after the other, the second may lack what only the
// first had, and have what that one lacked: neither was the end of one log. So it is if `gone` was
// first heard of after a loss that `stays` was sent before.
bool Ledger::is_of_another_log(int64_t gone, int64_t stays) const {
  const Claim& lost = claims_.at(gone);
  const Instant sent = sent_.at(claims_.at(stays).origin);
  return std::any_of(losses_.begin(), losses_.end(), [&](const Loss& loss) {
    return stays < loss.ceiling && sent <= loss.when && loss.when < lost.known;
  });
}

// What is gone between two ceilings is the end of what was there.
void Ledger::check_losses(int64_t start, const std::map<int64_t, std::string>& records) {
  std::vector<int64_t> ceilings;
  for (const Loss& loss : losses_) ceilings.push_back(loss.ceiling);
  std::sort(ceilings.begin(), ceilings.end());
  int64_t from = start;
  for (const int64_t ceiling : ceilings) {
    std::optional<int64_t> gone;
    for (auto it = claims_.lower_bound(from); it != claims_.end() && it->first < ceiling; ++it) {
      if (!records.contains(it->first)) {
        scene_.probe("record_lost_in_failover");
        // The one that was known earliest excuses least.
        if (!gone || it->second.known < claims_.at(*gone).known) gone = it->first;
      } else if (gone && !is_of_another_log(*gone, it->first)) {
        return scene_.violate(
            "G4", text(it->first, it->second) +
                      fmt::format(" is there, but the one at {} before it was lost", *gone));
      }
    }
    from = std::max(from, ceiling);
  }
}

// --- the end -------------------------------------------------------------------------------------

void Ledger::read_to_the_end(int64_t start, int64_t end,
                             const std::map<int64_t, std::string>& records, Instant began) {
  for (const auto& [offset, mark] : records) {
    fetched(offset, mark);
  }
  for (const auto& [offset, claim] : claims_) {
    if (offset < start || records.contains(offset)) continue;
    if (claim.generation < generation_ && offset >= end) continue;
    if (settings_.compacted && offset < end) continue;
    if (may_be_lost(offset, claim)) continue;
    return scene_.violate(
        claim.acknowledged ? "G1" : "G3",
        text(offset, claim) + fmt::format(" is missing; the log ends at {}", end));
  }
  check_somewhere(records);
  count_losses(start, records);
  if (!settings_.compacted) check_losses(start, records);
  if (settings_.compacted) {
    check_last_of_keys(records);
    check_deleted_keys(records, began);
  }
  check_order(start, records);
}

// Where nothing may be deleted, what was said to be stored somewhere is.
void Ledger::check_somewhere(const std::map<int64_t, std::string>& records) {
  if (settings_.compacted || may_trim() || lost_power()) return;
  for (const auto& [origin, told] : somewhere_) {
    const auto found = offsets_.find(origin);
    if (found != offsets_.end() && records.contains(found->second)) continue;
    const bool lost = std::any_of(losses_.begin(), losses_.end(),
                                  [&, at = told](const Loss& loss) { return loss.when >= at; });
    if (lost) continue;
    scene_.violate("G1", fmt::format("{}: record {} of producer {} was said to be stored long ago, "
                                     "and is not there",
                                     settings_.name, origin.number, origin.producer));
  }
}

// Compaction may take a record only if a later one has its key.
void Ledger::check_last_of_keys(const std::map<int64_t, std::string>& records) {
  std::map<std::string, int64_t> last;
  for (const auto& [offset, claim] : claims_) {
    last[key_of(claim.origin, claim.idempotent)] = offset;
  }
  for (const auto& [key, offset] : last) {
    if (records.contains(offset)) continue;
    const Claim& claim = claims_.at(offset);
    if (claim.generation < generation_ || may_have_expired(claim.origin)) continue;
    if (may_be_lost(offset, claim)) continue;
    scene_.violate("G1", text(offset, claim) + " was the last of its key and is gone");
  }
}

// A tombstone goes after what it deletes, never before.
void Ledger::check_deleted_keys(const std::map<int64_t, std::string>& records, Instant began) {
  // In a reading that took so long, the value may have been there at first.
  if (began + settings_.tombstone_age <= scene_.now()) return;
  std::map<std::string, int64_t> deleted;
  for (const auto& [offset, claim] : claims_) {
    // One that was lost deletes nothing.
    const bool gone =
        is_tombstone(claim.origin) && !records.contains(offset) && !may_be_lost(offset, claim);
    if (gone && claim.generation == generation_) {
      deleted[key_of(claim.origin, claim.idempotent)] = offset;
    }
  }
  for (const auto& [offset, mark] : records) {
    const auto parsed = parse_mark(mark);
    if (!parsed) continue;
    const auto found = deleted.find(key_of(parsed->origin, parsed->idempotent));
    if (found == deleted.end() || found->second < offset) continue;
    scene_.violate("G1", fmt::format("{} offset {} is back: it was deleted at offset {}",
                                     settings_.name, offset, found->second));
  }
}

// Per idempotent producer, in the order it sent them. What went with a loss is in no order.
void Ledger::check_order(int64_t start, const std::map<int64_t, std::string>& records) {
  std::map<int32_t, int64_t> last;
  std::set<std::pair<int32_t, int32_t>> excused;  // producer, epoch of the loss
  for (const auto& [offset, claim] : claims_) {
    if (!claim.idempotent || offset < start) continue;
    if (!records.contains(offset) && may_be_lost(offset, claim)) continue;
    const auto [place, fresh] = last.emplace(claim.origin.producer, claim.origin.number);
    if (fresh) continue;
    if (place->second == claim.origin.number ||
        (place->second > claim.origin.number && !excuse_late(offset, claim.origin, excused))) {
      return scene_.violate("G8", text(offset, claim) + " came after a later one");
    }
    place->second = claim.origin.number;
  }
}

// What a producer jumped over after a loss may come later, once.
bool Ledger::excuse_late(int64_t offset, const Origin& origin,
                         std::set<std::pair<int32_t, int32_t>>& excused) const {
  for (const Loss& loss : losses_) {
    if (loss.ceiling > offset || !excused.emplace(origin.producer, loss.epoch).second) continue;
    scene_.probe("came_late_after_a_loss");
    return true;
  }
  return false;
}

}  // namespace magpie::sim
