#include "link/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::link {
namespace {

using partition::Partition;
using partition::Role;
using wire::ErrorCode;

// Taken bytes are reported at the latest when they are this part of the credit.
constexpr int64_t kReportShare = 16;
// Twice what the line holds is granted, so that this leaves half of it empty.
constexpr int64_t kQuietShare = 4;

// Bytes of the batch at `at`; all that is left if they do not look like one.
size_t batch_size_at(const Buffer& piece, size_t at) {
  const size_t left = piece.size() - at;
  if (left < record::kBatchHeaderBytes) return left;
  const record::BatchHeader header = record::parse_header(piece.bytes().subspan(at));
  return record::is_plausible(header) ? std::min(left, header.size_bytes()) : left;
}

}  // namespace

// --- what the node wants -------------------------------------------------------------------------

void Receiver::use(const Session* session) {
  session_ = session;
  taken_bytes_ = reported_bytes_ = 0;
  credit_ = Credit();
  to_begin_.clear();
  to_report_.clear();
  for (auto& [route, copy] : followed_) {
    // What is being exported or cut goes on; the log is compared again afterwards.
    if (is_held(copy)) continue;
    ask_at(copy, Instant{});
  }
}

// Whoever owns the partition works on it: it is not asked for before that is over.
bool Receiver::is_held(const Copy& copy) {
  return copy.step == Step::kExporting || copy.step == Step::kOutdated ||
         copy.step == Step::kCutting;
}

void Receiver::follow(const Followed& wanted) {
  Copy& copy = followed_[wanted.route];
  const bool same = copy.wanted.epoch == wanted.epoch && copy.wanted.topic_id == wanted.topic_id;
  const auto asked_for = unreadable_.find(wanted.route);
  if (asked_for != unreadable_.end() && copy.wanted.counts && !wanted.counts) {
    asked_for->second = Instant{};
  }
  copy.wanted = wanted;
  if (same && copy.step != Step::kAsk) return;
  if (is_held(copy)) return;
  ask_at(copy, Instant{});
}

void Receiver::unfollow(Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end()) return;
  set_step(found->second, Step::kAsked);
  unreadable_.erase(route);
  followed_.erase(found);
}

bool Receiver::is_following(Route route) const {
  const auto found = followed_.find(route);
  return found != followed_.end() && found->second.step == Step::kFollowing;
}

Receiver::Copy* Receiver::find(int32_t handle) {
  const auto found = followed_.find(static_cast<Route>(handle));
  return found == followed_.end() ? nullptr : &found->second;
}

void Receiver::set_step(Copy& copy, Step step) {
  if (copy.step == Step::kFollowing) --following_;
  if (step == Step::kFollowing) ++following_;
  if (copy.step == Step::kAsk) to_ask_.erase({copy.ask_at, copy.wanted.route});
  copy.step = step;
  to_begin_.erase(copy.wanted.route);
  if (step != Step::kFollowing) to_report_.erase(copy.wanted.route);
}

void Receiver::ask_again(Copy& copy, const Now& now) {
  ask_at(copy, now.instant + kAskAgain);
}

void Receiver::ask_at(Copy& copy, Instant when) {
  set_step(copy, Step::kAsk);
  copy.ask_at = when;
  to_ask_.emplace(when, copy.wanted.route);
}

// A copy that holds records of a newer epoch than it is told to follow is not compared: an old
// leader would have it cut what a newer one counts on.
const Partition* Receiver::ready(const Copy& copy) const {
  const Partition* const partition = copies_.at(copy.wanted.route);
  const bool follows = partition != nullptr && partition->role() == Role::kFollower &&
                       partition->leader_epoch() == copy.wanted.epoch &&
                       partition->epochs().latest() <= copy.wanted.epoch &&
                       partition->state() == partition::PartitionState::kOnline &&
                       !partition->is_cutting();
  return follows ? partition : nullptr;
}

// --- making the logs agree -----------------------------------------------------------------------

// Null: nothing of the copy can be read.
wire::LinkFollow::Partition Receiver::question(Copy& copy, const Partition* partition) {
  wire::LinkFollow::Partition asked;
  asked.handle = static_cast<int32_t>(copy.wanted.route);
  asked.topic_id = copy.wanted.topic_id;
  asked.index = copy.wanted.index.value;
  asked.unreadable = copy.condition != Condition::kWell;
  if (partition == nullptr) return asked;
  const partition::CopyState state = partition->copy_state();
  asked.log_start = state.start.value;
  asked.log_end = state.end.value;
  if (state.start != state.end) copy.batch_of = Offset{-1};
  asked.batch_of = copy.batch_of.value;
  for (const auto& entry : state.epochs) {
    asked.epochs.push_back({entry.epoch.value, entry.start.value});
  }
  return asked;
}

void Receiver::ask(const Now& now, port::Effects& effects) {
  std::map<std::pair<std::string, LeaderEpoch>, wire::LinkFollow> messages;
  while (!to_ask_.empty() && to_ask_.begin()->first <= now.instant) {
    const Route route = to_ask_.begin()->second;
    Copy& copy = followed_.at(route);
    copy.condition = copies_.condition(route);
    if (copy.condition == Condition::kWell) unreadable_.erase(route);
    const Partition* const partition = ready(copy);
    if (partition == nullptr && copy.condition != Condition::kLost) {
      ask_again(copy, now);
      continue;
    }
    wire::LinkFollow& message = messages[{copy.wanted.group, copy.wanted.epoch}];
    message.group = copy.wanted.group;
    message.epoch = copy.wanted.epoch.value;
    message.priority = copy.wanted.priority;
    message.partitions.push_back(question(copy, partition));
    set_step(copy, Step::kAsked);
  }
  for (const auto& [key, message] : messages) session_->send(message, effects);
}

void Receiver::on(const Now& now, const wire::LinkFollowAnswer& message, port::Effects&) {
  for (const auto& answer : message.partitions) {
    Copy* const copy = find(answer.handle);
    if (copy == nullptr || copy->step != Step::kAsked) continue;
    if (LeaderEpoch{message.epoch} != copy->wanted.epoch) {
      ask_again(*copy, now);
    } else {
      compared(now, *copy, answer);
    }
  }
}

void Receiver::compared(const Now& now, Copy& copy,
                        const wire::LinkFollowAnswer::Partition& answer) {
  const Route route = copy.wanted.route;
  const Partition* const partition = ready(copy);
  const bool is_lost = copy.condition == Condition::kLost;
  if ((partition == nullptr && !is_lost) || answer.error_code != ErrorCode::kNone) {
    return ask_again(copy, now);
  }
  copy.compared = copy.wanted.epoch;
  copy.common_end = Offset{answer.common_end};
  copy.restart_at = Offset{answer.restart_at};
  copy.leader_start = Offset{answer.log_start};
  copy.leader_log = {.epochs = {},
                     .last_loss = LeaderEpoch{answer.last_loss},
                     .may_have_gaps = answer.may_have_gaps};
  for (const auto& entry : answer.epochs) {
    copy.leader_log.epochs.push_back({LeaderEpoch{entry.epoch}, Offset{entry.start}});
  }
  if (copy.condition != Condition::kWell) {
    unreadable_[route] = now.instant + kAskDamagedAgain;
  }
  copy.may_go = copy.condition != Condition::kWell && answer.may_go && !copy.wanted.counts;
  if (is_lost && copy.may_go) return put_away(copy, /*tail_kept=*/false);
  if (is_lost) return ask_at(copy, now.instant + kAskDamagedAgain);
  const Offset keep = std::max(copy.common_end, partition->log_start());
  if (keep < partition->log_end()) {
    // Also before a copy is begun anew: what differs is exported first.
    set_step(copy, Step::kExporting);
    events_.emplace_back(TailDiffers{route, keep, partition->log_end(),
                                     partition->epochs().latest(), copy.compared});
  } else if (copy.may_go) {
    put_away(copy, /*tail_kept=*/true);
  } else if (answer.restart_at >= 0) {
    outdated(copy, keep);
  } else {
    set_step(copy, Step::kBegin);
    to_begin_.insert(route);
  }
}

void Receiver::tail_exported(const Now& now, Route route, port::Effects& effects) {
  const auto found = followed_.find(route);
  if (found == followed_.end() || found->second.step != Step::kExporting) return;
  Copy& copy = found->second;
  const Partition* const partition = ready(copy);
  // The log may lead, be shorter, or be gone by now; a newer epoch compares again, because its
  // leader may have what the one before had not.
  if (partition == nullptr || copy.compared != copy.wanted.epoch ||
      copy.common_end > partition->log_end()) {
    return ask_again(copy, now);
  }
  if (copy.may_go) return put_away(copy, /*tail_kept=*/true);
  // Where nothing stays there is nothing to cut at: the log may start inside a batch.
  const Offset start = partition->log_start();
  if (copy.restart_at >= Offset{} && copy.common_end <= start) return outdated(copy, start);
  set_step(copy, Step::kCutting);
  copies_.call(route, effects, [&](Partition& follower, partition::Output& out) {
    follower.cut(now, copy.common_end, out);
  });
}

void Receiver::tail_unreadable(const Now& now, Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end() || found->second.step != Step::kExporting) return;
  Copy& copy = found->second;
  if (copy.may_go) return put_away(copy, /*tail_kept=*/false);
  // The leader may not know yet: often it is the export that meets the damage first.
  ask_at(copy, now.instant + kAskDamagedAgain);
}

void Receiver::put_away(Copy& copy, bool tail_kept) {
  set_step(copy, Step::kOutdated);
  events_.emplace_back(CopyUnreadable{copy.wanted.route, copy.wanted.epoch, tail_kept});
}

void Receiver::stays(const Now& now, Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end() || found->second.step != Step::kOutdated) return;
  ask_at(found->second, now.instant + kAskDamagedAgain);
}

// Who decides about the copy calls begin_anew().
void Receiver::outdated(Copy& copy, Offset end) {
  set_step(copy, Step::kOutdated);
  events_.emplace_back(CopyOutdated{copy.wanted.route, end, copy.restart_at});
}

void Receiver::begin_anew(const Now& now, Route route, port::Effects& effects) {
  const auto found = followed_.find(route);
  if (found == followed_.end() || found->second.step != Step::kOutdated) return;
  Copy& copy = found->second;
  if (ready(copy) == nullptr || copy.compared != copy.wanted.epoch) return ask_again(copy, now);
  copy.batch_of = Offset{-1};
  empty(now, copy, copy.restart_at, effects);
}

void Receiver::empty(const Now& now, Copy& copy, Offset at, port::Effects& effects) {
  set_step(copy, Step::kCutting);
  copies_.call(copy.wanted.route, effects, [&](Partition& follower, partition::Output& out) {
    follower.begin_anew(now, at, out);
  });
}

void Receiver::cut_done(Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end() || found->second.step != Step::kCutting) return;
  // Asked once more: the answer may be from an epoch that has passed, or say to begin anew.
  ask_at(found->second, Instant{});
}

void Receiver::storage_failed(Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end()) return;
  ask_at(found->second, Instant{});
}

void Receiver::begin(const Now& now, port::Effects& effects) {
  std::map<LeaderEpoch, wire::LinkBegin> messages;
  for (const Route route : std::exchange(to_begin_, {})) {
    Copy& copy = followed_.at(route);
    if (ready(copy) == nullptr) {
      ask_again(copy, now);
      continue;
    }
    copies_.call(route, effects, [&](Partition& follower, partition::Output& out) {
      follower.reconciled(now, copy.leader_log, out);
    });
    const Partition& partition = *copies_.at(route);
    wire::LinkBegin& message = messages[copy.wanted.epoch];
    message.epoch = copy.wanted.epoch.value;
    message.credit_bytes = grant();
    message.partitions.push_back(
        {static_cast<int32_t>(route), partition.log_end().value, partition.durable_end().value});
    copy.reported = partition.durable_end();
    copy.reported_start = Offset{-1};
    to_report_.insert(route);
    set_step(copy, Step::kFollowing);
    events_.emplace_back(Following{route});
  }
  for (const auto& [epoch, message] : messages) session_->send(message, effects);
}

// --- following -----------------------------------------------------------------------------------

void Receiver::on(const Now& now, wire::LinkBatches& message, port::Effects& effects) {
  uint64_t bytes = 0;
  for (const auto& part : message.partitions) bytes += part.batches ? size_of(*part.batches) : 0;
  const LineRoundTrip& line = session_->line_round_trip();
  // What the line carries is not to be seen while it is quiet.
  if (bytes > 0 && !line.wants_quiet()) credit_.arrived(now.instant, bytes, line.shortest());
  taken_bytes_ += bytes;
  if (counter_ != nullptr) count_wire(message);
  for (auto& part : message.partitions) {
    Copy* const copy = find(part.handle);
    if (copy == nullptr || copy->step != Step::kFollowing ||
        copy->wanted.epoch != LeaderEpoch{message.epoch} ||
        copies_.at(copy->wanted.route) == nullptr) {
      continue;
    }
    if (part.batches && counter_ != nullptr) {
      (*counter_)[copy->wanted.group].stored += size_of(*part.batches);
    }
    if (part.batches && !append_all(now, *copy, *part.batches, effects)) continue;
    copies_.call(copy->wanted.route, effects, [&](Partition& follower, partition::Output& out) {
      follower.learn(now, Offset{part.high_watermark}, Offset{part.log_start}, out);
    });
  }
}

void Receiver::count_wire(const wire::LinkBatches& message) {
  WireShares shares;
  for (const auto& part : message.partitions) {
    const Copy* const copy = find(part.handle);
    if (copy == nullptr) continue;
    shares.add(copy->wanted.group, part.batches ? size_of(*part.batches) : 0);
  }
  shares.spread(session_->received_bytes(), *counter_);
}

// The leader's log starts inside a batch, which comes whole: the copy, empty as it is, has to begin
// where the batch does.
bool Receiver::begins_in_batch(const Copy& copy, const record::BatchHeader& header) const {
  const Partition* const partition = ready(copy);
  return partition != nullptr && partition->log_start() == partition->log_end() &&
         partition->log_end() == copy.leader_start && record::is_plausible(header) &&
         header.base_offset < partition->log_end() && partition->log_end() < header.next_offset();
}

// False if the copy has to be compared again.
bool Receiver::append_all(const Now& now, Copy& copy, const BufferChain& batches,
                          port::Effects& effects) {
  if (batches.empty() || batches.front().size() < record::kBatchHeaderBytes) return true;
  const record::BatchHeader first = record::parse_header(batches.front().bytes());
  if (begins_in_batch(copy, first)) {
    copy.batch_of = copy.leader_start;
    empty(now, copy, first.base_offset, effects);
    return false;
  }
  Status status;
  copies_.call(copy.wanted.route, effects, [&](Partition& follower, partition::Output& out) {
    for (const Buffer& piece : batches) {
      for (size_t at = 0; at < piece.size() && status;) {
        const size_t size = batch_size_at(piece, at);
        status = follower.append_copied(now, piece.slice(at, size), out);
        at += size;
      }
    }
  });
  if (status) return true;
  effects.add(
      port::LogLine{port::Severity::kWarning, "link_batch_refused", status.error().message});
  ask_again(copy, now);
  return false;
}

void Receiver::on(const Now& now, const wire::LinkEnd& message) {
  for (const auto& ended : message.partitions) {
    Copy* const copy = find(ended.handle);
    // Before the next stream has begun it is the end of an earlier one.
    const bool ends =
        copy != nullptr && (copy->step == Step::kBegin || is_following(copy->wanted.route));
    if (!ends) continue;
    const bool damaged = ended.error_code == ErrorCode::kCorruptMessage;
    ask_at(*copy, now.instant + (damaged ? kAskDamagedAgain : kAskAgain));
  }
}

void Receiver::moved(Route route) {
  const auto found = followed_.find(route);
  if (found != followed_.end() && found->second.step == Step::kFollowing) to_report_.insert(route);
}

int64_t Receiver::grant() const {
  return session_->line_round_trip().wants_quiet() ? credit_.grant() / kQuietShare
                                                   : credit_.grant();
}

void Receiver::report(port::Effects& effects) {
  std::map<LeaderEpoch, wire::LinkProgress> messages;
  for (const Route route : std::exchange(to_report_, {})) {
    Copy& copy = followed_.at(route);
    const Partition* const partition = copies_.at(route);
    if (partition == nullptr) continue;
    if (partition->durable_end() <= copy.reported &&
        partition->log_start() <= copy.reported_start) {
      continue;
    }
    copy.reported = partition->durable_end();
    copy.reported_start = partition->log_start();
    wire::LinkProgress& message = messages[copy.wanted.epoch];
    message.partitions.push_back(
        {static_cast<int32_t>(route), copy.reported.value, copy.reported_start.value});
  }
  const auto unreported = static_cast<int64_t>(taken_bytes_ - reported_bytes_);
  if (messages.empty() && unreported >= grant() / kReportShare) messages[{}] = {};
  for (auto& [epoch, message] : messages) {
    message.epoch = epoch.value;
    message.taken_bytes = static_cast<int64_t>(taken_bytes_);
    message.credit_bytes = grant();
    session_->send(message, effects);
    reported_bytes_ = taken_bytes_;
  }
}

void Receiver::unreadable(Route route) {
  const auto found = followed_.find(route);
  if (found == followed_.end()) return;
  unreadable_[route] = Instant{};
}

// To be compared anew stops the stream for a moment, so whoever is required asks no more than once.
Instant Receiver::asks_about_unreadable_at(Route route, Instant when) const {
  const Copy& copy = followed_.at(route);
  const bool is_news = when == Instant{};
  const bool asks = copy.step == Step::kFollowing && (is_news || !copy.wanted.counts);
  return asks ? when : Instant::never();
}

void Receiver::ask_about_unreadable(const Now& now) {
  for (auto& [route, when] : unreadable_) {
    if (now.instant < asks_about_unreadable_at(route, when)) continue;
    when = now.instant + kAskDamagedAgain;
    ask_at(followed_.at(route), now.instant);
  }
}

void Receiver::flush(const Now& now, port::Effects& effects) {
  if (session_ == nullptr || !session_->is_established()) return;
  ask_about_unreadable(now);
  ask(now, effects);
  begin(now, effects);
  report(effects);
}

Instant Receiver::next_deadline() const {
  if (session_ == nullptr || !session_->is_established()) return Instant::never();
  Instant next = to_ask_.empty() ? Instant::never() : to_ask_.begin()->first;
  for (const auto& [route, when] : unreadable_) {
    next = std::min(next, asks_about_unreadable_at(route, when));
  }
  return next;
}

}  // namespace magpie::link
