#include "link/sender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::link {
namespace {

constexpr uint64_t kSendingsPerOther = 16;

using partition::Divergence;
using partition::Partition;
using partition::PartitionState;
using partition::Role;
using wire::ErrorCode;

partition::CopyState copy_state_of(const wire::LinkFollow::Partition& asked) {
  partition::CopyState copy;
  copy.start = Offset{asked.log_start};
  copy.end = Offset{asked.log_end};
  for (const auto& entry : asked.epochs) {
    copy.epochs.push_back({LeaderEpoch{entry.epoch}, Offset{entry.start}});
  }
  return copy;
}

// What a follower says of itself must be a log that can exist.
bool is_sound(const partition::CopyState& copy) {
  bool sound = copy.start.value >= 0 && copy.start <= copy.end;
  for (size_t i = 0; i < copy.epochs.size(); ++i) {
    const auto& entry = copy.epochs[i];
    sound = sound && entry.start.value >= 0 && entry.start <= copy.end;
    if (i == 0) continue;
    sound =
        sound && copy.epochs[i - 1].epoch < entry.epoch && copy.epochs[i - 1].start <= entry.start;
  }
  return sound;
}

// While a log is replayed its list of epochs is not whole: whoever was compared with it would cut
// what it should keep.
bool is_comparable(const Partition& partition) {
  return partition.state() == PartitionState::kOnline && !partition.is_cutting();
}

ErrorCode leadership_error(const Partition& partition, LeaderEpoch epoch) {
  if (!partition.is_readable()) return ErrorCode::kKafkaStorageError;
  if (partition.leader_epoch() > epoch) return ErrorCode::kFencedLeaderEpoch;
  if (partition.leader_epoch() < epoch) return ErrorCode::kUnknownLeaderEpoch;
  return partition.role() == Role::kLeader ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

}  // namespace

Sender::Sender(Copies& copies, const Session& session, uint64_t ticket_base)
    : copies_(copies), session_(session), ticket_base_(ticket_base) {}

// --- what the follower says ----------------------------------------------------------------------

void Sender::on(const Now&, const wire::LinkFollow& message, port::Effects& effects) {
  wire::LinkFollowAnswer answer;
  answer.group = message.group;
  answer.epoch = message.epoch;
  for (const auto& asked : message.partitions) {
    answer.partitions.push_back(compare(message, asked));
  }
  session_.send(answer, effects);
}

wire::LinkFollowAnswer::Partition Sender::compare(const wire::LinkFollow& message,
                                                  const wire::LinkFollow::Partition& asked) {
  const LeaderEpoch epoch{message.epoch};
  wire::LinkFollowAnswer::Partition answer;
  answer.handle = asked.handle;
  const std::optional<Route> route = copies_.find(asked.topic_id, {asked.index});
  Partition* const partition = route ? copies_.at(*route) : nullptr;
  const partition::CopyState theirs = copy_state_of(asked);
  answer.error_code = partition == nullptr         ? ErrorCode::kUnknownTopicId
                      : !is_sound(theirs)          ? ErrorCode::kInvalidRequest
                      : !is_comparable(*partition) ? ErrorCode::kKafkaStorageError
                                                   : leadership_error(*partition, epoch);
  // Whoever holds records of a newer epoch has seen its leader; nothing of theirs may be cut here.
  const bool newer = !theirs.epochs.empty() && theirs.epochs.back().epoch > epoch;
  if (newer) answer.error_code = ErrorCode::kFencedLeaderEpoch;
  if (answer.error_code != ErrorCode::kNone) return answer;

  const partition::CopyState ours = partition->copy_state();
  Divergence parted = find_divergence(ours, theirs);
  // The log here starts inside a batch, and they begin where that batch does.
  const bool in_batch = Offset{asked.batch_of} == ours.start && theirs.epochs.empty() &&
                        theirs.start == theirs.end && theirs.end < ours.start;
  if (in_batch) parted = {.common_end = theirs.end};
  partition->set_member_unreadable(session_.peer().node, asked.unreadable);
  answer.may_go = asked.unreadable && partition->can_spare(session_.peer().node);
  // Until the stream begins, the member's position counts for nothing.
  partition->member_lost(session_.peer().node);
  Stream stream;
  stream.handle = asked.handle;
  stream.priority = message.priority;
  stream.group = message.group;
  stream.epoch = epoch;
  stream.agreed_end = parted.restart ? parted.restart_at : parted.common_end;
  stream.sent_from = in_batch ? ours.start : stream.agreed_end;
  if (!parted.restart) stream.their_start = theirs.start;  // else it may begin lower than it did
  // The handle, or the partition, may have had another stream.
  if (const auto old = route_of(asked.handle)) forget(*old);
  forget(*route);
  streams_[*route] = stream;
  priorities_.insert(message.priority);
  routes_[asked.handle] = *route;

  answer.common_end = parted.common_end.value;
  if (parted.restart) answer.restart_at = parted.restart_at.value;
  answer.high_watermark = partition->high_watermark().value;
  answer.log_start = partition->log_start().value;
  answer.may_have_gaps = partition->may_have_gaps();
  answer.last_loss = partition->producers().last_loss().value;
  for (const auto& entry : ours.epochs) {
    answer.epochs.push_back({entry.epoch.value, entry.start.value});
  }
  // Where this epoch will begin is known before its first record, which compaction may have taken
  // by the time the follower gets there.
  if (ours.epochs.empty() || ours.epochs.back().epoch < epoch) {
    answer.epochs.push_back({epoch.value, ours.end.value});
  }
  return answer;
}

void Sender::on(const Now&, const wire::LinkBegin& message, port::Effects& effects) {
  credit_bytes_ = static_cast<uint64_t>(std::max<int64_t>(message.credit_bytes, 0));
  wire::LinkEnd ended;
  for (const auto& asked : message.partitions) {
    begin(asked, LeaderEpoch{message.epoch}, effects, ended);
  }
  if (!ended.partitions.empty()) session_.send(ended, effects);
}

void Sender::begin(const wire::LinkBegin::Partition& asked, LeaderEpoch epoch,
                   port::Effects& effects, wire::LinkEnd& ended) {
  const std::optional<Route> route = route_of(asked.handle);
  Stream* const stream = route ? &streams_.at(*route) : nullptr;
  const Offset from{asked.from};
  const Offset durable{asked.durable_end};
  if (stream == nullptr || stream->epoch != epoch || !leads(*stream, *route)) {
    ended.partitions.push_back({asked.handle, ErrorCode::kNotLeaderOrFollower});
    return;
  }
  const Partition& partition = *copies_.at(*route);
  if (from != stream->agreed_end || durable > from || stream->sent_from < partition.log_start()) {
    ended.partitions.push_back({asked.handle, ErrorCode::kOffsetOutOfRange});
    return;
  }
  stream->begun = true;
  stream->next = stream->sent_from;
  copies_.call(*route, effects, [&](Partition& leader, partition::Output& out) {
    leader.member_reconciled(session_.peer().node, durable, out);
    leader.member_starts_at(session_.peer().node, stream->their_start, out);
  });
  wait(*route);
}

void Sender::on(const Now&, const wire::LinkProgress& message, port::Effects& effects) {
  credit_bytes_ = static_cast<uint64_t>(std::max<int64_t>(message.credit_bytes, 0));
  const auto taken = static_cast<uint64_t>(std::max<int64_t>(message.taken_bytes, 0));
  taken_bytes_ = std::clamp(taken, taken_bytes_, sent_bytes_);
  for (const auto& progress : message.partitions) {
    const std::optional<Route> route = route_of(progress.handle);
    if (!route) continue;
    const Stream& stream = streams_.at(*route);
    const Offset durable{progress.durable_end};
    const bool counts = stream.begun && stream.epoch == LeaderEpoch{message.epoch} &&
                        durable <= stream.next && leads(stream, *route);
    if (!counts) continue;
    copies_.call(*route, effects, [&](Partition& leader, partition::Output& out) {
      leader.member_durable(session_.peer().node, durable, out);
      leader.member_starts_at(session_.peer().node, Offset{progress.log_start}, out);
    });
  }
}

// --- what the node says --------------------------------------------------------------------------

bool Sender::leads(const Stream& stream, Route route) {
  const Partition* const partition = copies_.at(route);
  return partition != nullptr && leadership_error(*partition, stream.epoch) == ErrorCode::kNone;
}

std::optional<Route> Sender::route_of(int32_t handle) const {
  const auto found = routes_.find(handle);
  if (found == routes_.end()) return std::nullopt;
  return found->second;
}

void Sender::wait(Route route) {
  waiting_.insert({streams_.at(route).priority, route});
}

void Sender::leave_round(Route route, const Stream& stream) {
  waiting_.erase({stream.priority, route});
}

void Sender::forget(Route route) {
  const auto found = streams_.find(route);
  if (found == streams_.end()) return;
  routes_.erase(found->second.handle);
  if (found->second.reading != 0) reads_.erase(found->second.reading);
  release(found->second);
  leave_round(route, found->second);
  starved_.erase({found->second.priority, route});
  held_back_.erase({found->second.priority, route});
  priorities_.erase(priorities_.find(found->second.priority));
  if (!priorities_.contains(found->second.priority)) served_.erase(found->second.priority);
  streams_.erase(found);
}

void Sender::moved(Route route) {
  const auto found = streams_.find(route);
  if (found != streams_.end() && found->second.begun) wait(route);
}

void Sender::stopped(Route route, port::Effects& effects) {
  end(route, ErrorCode::kNotLeaderOrFollower, effects);
}

void Sender::end(Route route, ErrorCode error, port::Effects& effects) {
  const auto found = streams_.find(route);
  if (found == streams_.end()) return;
  wire::LinkEnd ended;
  ended.partitions.push_back({found->second.handle, error});
  forget(route);
  session_.send(ended, effects);
}

void Sender::read_done(const Now&, uint64_t ticket, const partition::ReadDone& done,
                       port::Effects& effects) {
  // Unknown: it belongs to a stream that has ended or was begun anew.
  const auto asked = reads_.find(static_cast<uint32_t>(ticket));
  if (asked == reads_.end()) return;
  const Route route = asked->second;
  reads_.erase(asked);
  Stream& stream = streams_.at(route);
  stream.reading = 0;
  release(stream);
  // Not found: trimmed meanwhile.
  const bool trimmed = !done.status && done.status.error().kind == ErrorKind::kNotFound;
  if (trimmed) return stopped(route, effects);
  if (!done.status) return end(route, ErrorCode::kCorruptMessage, effects);
  const Partition* const partition = copies_.at(route);
  if (!leads(stream, route) || done.batches.empty()) return wait(route);
  const record::BatchHeader first = record::parse_header(done.batches.front().bytes());
  const record::BatchHeader last = record::parse_header(done.batches.back().bytes());
  if (stream.next < partition->high_watermark()) catch_up_.spend(size_of(done.batches));
  if (first.next_offset() <= stream.next) return wait(route);
  wire::LinkBatches message;
  message.epoch = stream.epoch.value;
  message.partitions.push_back({stream.handle, partition->high_watermark().value,
                                partition->log_start().value, done.batches});
  count(stream, size_of(done.batches));
  stream.next = last.next_offset();
  stream.high_watermark = partition->high_watermark();
  stream.log_start = partition->log_start();
  send(message, effects);
  wait(route);
}

// --- sending -------------------------------------------------------------------------------------

// The last quarter is for the most urgent streams alone.
bool Sender::may_send(const Now& now, int32_t priority) {
  const bool most_urgent = priority == *priorities_.begin();
  const uint64_t credit = most_urgent ? credit_bytes_ : credit_bytes_ - credit_bytes_ / 4;
  // Asked in any case: what was asked says when it is time again.
  const bool within_limit = limit_.allows(now.instant);
  return within_limit && outstanding_bytes() + reserved_bytes_ < credit;
}

void Sender::count(const Stream& stream, uint64_t bytes) {
  sent_bytes_ += bytes;
  ++sendings_;
  if (stream.priority != *priorities_.begin()) last_other_ = stream.priority;
  limit_.spend(bytes);
  if (counter_ != nullptr) (*counter_)[stream.group].stored += bytes;
}

void Sender::send(const wire::LinkBatches& message, port::Effects& effects) {
  const uint64_t bytes = session_.send(message, effects);
  if (counter_ == nullptr) return;
  WireShares shares;
  for (const auto& part : message.partitions) {
    const std::optional<Route> route = route_of(part.handle);
    if (!route) continue;
    shares.add(streams_.at(*route).group, part.batches ? size_of(*part.batches) : 0);
  }
  shares.spread(bytes, *counter_);
}

void Sender::reserve(Stream& stream, const Partition& partition) {
  stream.reserved = kPartitionBytes;
  reserved_bytes_ += stream.reserved;
  limit_.spend(stream.reserved);
  if (stream.next < partition.high_watermark()) stream.advance = kPartitionBytes;
  catch_up_.spend(stream.advance);
}

void Sender::release(Stream& stream) {
  reserved_bytes_ -= stream.reserved;
  limit_.give_back(std::exchange(stream.reserved, 0));
  catch_up_.give_back(std::exchange(stream.advance, 0));
}

bool Sender::is_held_back(const Now& now, const Stream& stream, const Partition& partition) {
  const bool from_far = stream.from_disk && stream.next < partition.high_watermark();
  return from_far && !catch_up_.allows(now.instant);
}

void Sender::wake_starved(const Now& now) {
  while (!starved_.empty() && may_send(now, starved_.begin()->first)) {
    waiting_.insert(starved_.extract(starved_.begin()));
  }
}

bool Sender::wake_held_back(const Now& now) {
  if (held_back_.empty() || !catch_up_.allows(now.instant)) return false;
  const Place next = next_in_round(held_back_, ++wakes_ % kSendingsPerOther == 0);
  waiting_.insert(held_back_.extract(next));
  return true;
}

int32_t Sender::next_priority(const std::set<Place>& places, bool of_others) const {
  const int32_t most_urgent = places.begin()->first;
  const int32_t other = places.rbegin()->first;
  if (!of_others || other == most_urgent) return most_urgent;
  if (last_other_ < most_urgent || last_other_ >= other) {
    return places.lower_bound({most_urgent + 1, Route{}})->first;
  }
  return places.lower_bound({last_other_ + 1, Route{}})->first;
}

// The next one of that priority.
Sender::Place Sender::next_in_round(const std::set<Place>& places, bool of_others) const {
  const int32_t priority = next_priority(places, of_others);
  const auto first = places.lower_bound({priority, Route{}});
  const auto served = served_.find(priority);
  if (served == served_.end()) return *first;
  const auto next = places.upper_bound({priority, served->second});
  return next != places.end() && next->first == priority ? *next : *first;
}

// The most urgent first of those that have something to send; from time to time one of the others.
// Without a limit it is the credit that keeps the line from being anybody's alone.
void Sender::send_waiting(const Now& now, port::Effects& effects) {
  // Streams that can send nothing more go out of the round.
  while (!waiting_.empty()) {
    wire::LinkBatches message;
    uint64_t bytes = 0;
    const size_t turns = waiting_.size();
    for (size_t turn = 0; turn < turns && bytes < kMessageBytes && !waiting_.empty(); ++turn) {
      const bool of_others =
          limit_.is_set() && sendings_ % kSendingsPerOther == kSendingsPerOther - 1;
      const auto [priority, route] = next_in_round(waiting_, of_others);
      Stream& stream = streams_.at(route);
      if (message.partitions.empty()) message.epoch = stream.epoch.value;
      if (message.epoch != stream.epoch.value) break;  // one epoch per message
      served_[priority] = route;
      gather(now, route, stream, message, bytes, effects);
    }
    if (message.partitions.empty()) return;
    send(message, effects);
  }
}

void Sender::flush(const Now& now, port::Effects& effects) {
  wake_starved(now);
  do send_waiting(now, effects);
  while (wake_held_back(now));
}

void Sender::gather(const Now& now, Route route, Stream& stream, wire::LinkBatches& message,
                    uint64_t& bytes, port::Effects& effects) {
  if (!leads(stream, route) || stream.reading != 0) {
    leave_round(route, stream);
    return;
  }
  const Partition& partition = *copies_.at(route);
  BufferChain batches;
  const bool more = stream.next < partition.log_end();
  if (more && stream.next < partition.log_start()) return stopped(route, effects);
  const bool held_back = more && is_held_back(now, stream, partition);
  if (more && !held_back && may_send(now, stream.priority)) {
    std::optional<BufferChain> at_once;
    copies_.call(route, effects, [&](Partition& leader, partition::Output& out) {
      at_once = leader.read_for_member(now, ticket_base_ + ++last_read_, stream.next,
                                       kPartitionBytes, out);
    });
    stream.from_disk = !at_once;
    if (!at_once) {
      reserve(stream, partition);
      stream.reading = last_read_;
      reads_[last_read_] = route;
      leave_round(route, stream);
      return;
    }
    batches = std::move(*at_once);
  }
  const bool news = stream.high_watermark != partition.high_watermark() ||
                    stream.log_start != partition.log_start();
  if (!batches.empty()) {
    stream.next = record::parse_header(batches.back().bytes()).next_offset();
    bytes += size_of(batches);
    count(stream, size_of(batches));
  } else if (!news) {
    // With nothing to send it leaves the round; out of credit it waits for the next report,
    // beyond a limit for time to pass.
    leave_round(route, stream);
    if (more) (held_back ? held_back_ : starved_).insert({stream.priority, route});
    return;
  }
  stream.high_watermark = partition.high_watermark();
  stream.log_start = partition.log_start();
  wire::LinkBatches::Partition part{stream.handle, partition.high_watermark().value,
                                    partition.log_start().value, std::nullopt};
  if (!batches.empty()) part.batches = std::move(batches);
  message.partitions.push_back(std::move(part));
}

}  // namespace magpie::link
