// What a leader sends to one other node: the batches of every partition that node follows here.
//
// The problem: thousands of partitions share one connection to a follower that may be slow or far;
// a record must leave as soon as it is appended, a slow follower must not fill this node's memory,
// and an old leader must not feed anyone. The idea: one stream per partition, begun only after the
// follower's log was compared with this one in the present epoch, and one credit for all of them:
// bytes sent and not yet reported as taken. Streams that have something to send take turns, those
// of the groups that matter most before all others; and a part of the credit is theirs alone, so
// that they need not wait until a full line has drained.
//
// A copy that is catching up from far reads what left memory long ago, and could take the line and
// the disk from everybody else for hours. What is read from disk below the high watermark, so that
// no acknowledgement waits for it, can be limited on its own.
//
// Guarantees: a stream sends a partition's batches in order, each once, from the agreed offset on,
// and only while this node leads in the epoch in which the stream was begun; a position counts for
// the high watermark only from such a stream; no more than the credit is outstanding, except for
// one batch. A read from disk counts as kPartitionBytes from its start until it is done or its
// stream ends, against the credit and the limits, and then as what was sent of it.
// A single batch that is larger than that overdraws by what it is larger, for each such read.
//
// What it does not do: it does not decide who leads or who is required, and keeps no records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "link/copies.h"
#include "link/group_bytes.h"
#include "link/message.h"
#include "link/rate_limit.h"
#include "link/session.h"
#include "port/effect.h"

namespace magpie::link {

// Bytes of batches in one message, and of one partition in it; a single batch may be larger.
inline constexpr uint64_t kMessageBytes = 256 * 1024;
inline constexpr uint64_t kPartitionBytes = 256 * 1024;

class Sender {
 public:
  // Streams of `session`, which is established; both must outlive this object. `ticket_base` is
  // added to the tickets of reads, which are below 2^32, so that the node can tell whose they are.
  Sender(Copies& copies, const Session& session, uint64_t ticket_base);

  // Messages from the follower.
  void on(const Now& now, const wire::LinkFollow& message, port::Effects& effects);
  void on(const Now& now, const wire::LinkBegin& message, port::Effects& effects);
  void on(const Now& now, const wire::LinkProgress& message, port::Effects& effects);

  // The partition has more to send, or more to say.
  void moved(Route route);
  // It leads no more, or in another epoch, or is gone: its stream ends.
  void stopped(Route route, port::Effects& effects);
  // A read of this object's finished; `ticket` is without the base. One that failed ends the
  // stream: the follower asks again after a while. (What it means for the partition:
  // partition::Damaged.)
  void read_done(const Now& now, uint64_t ticket, const partition::ReadDone& done,
                 port::Effects& effects);

  // At most so many bytes of batches per second from now on; nothing: no limit. The most urgent
  // streams go first here, too, but one sending in sixteen is for the others: a member that is
  // required would otherwise never get what its acknowledgements wait for.
  void limit_rate(const Now& now, std::optional<uint64_t> bytes_per_second) {
    limit_.set(now.instant, bytes_per_second);
  }
  // The same for what is read from disk and lies below the high watermark: copies that are catching
  // up. Both limits hold for them. They go on one after the other, the most urgent first, one in
  // sixteen times one of the others.
  void limit_catch_up(const Now& now, std::optional<uint64_t> bytes_per_second) {
    catch_up_.set(now.instant, bytes_per_second);
  }
  // Adds what is sent from now on to `counter`, which must outlive this object.
  void count_into(BytesByGroup& counter) { counter_ = &counter; }

  // Sends what may be sent. Called at the end of a turn, and at next_deadline().
  void flush(const Now& now, port::Effects& effects);

  // When the limit lets more through.
  Instant next_deadline() const {
    const Instant any = starved_.empty() ? Instant::never() : limit_.next_deadline();
    const Instant far = held_back_.empty() ? Instant::never() : catch_up_.next_deadline();
    return std::min(any, far);
  }

  bool is_idle() const { return waiting_.empty() && starved_.empty() && held_back_.empty(); }
  size_t streams() const { return streams_.size(); }
  uint64_t outstanding_bytes() const { return sent_bytes_ - taken_bytes_; }
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  struct Stream {
    int32_t handle = 0;
    int32_t priority = 0;
    std::string group;
    LeaderEpoch epoch = kNoLeaderEpoch;
    Offset agreed_end;      // where the follower's log ends after its cut
    Offset sent_from;       // the first batch to send holds this offset
    Offset their_start;     // the follower's log begins there, or later
    bool begun = false;     // and counting
    uint32_t reading = 0;   // ticket of a read from disk
    bool from_disk = true;  // so was the last one, or what comes is old
    uint64_t reserved = 0;  // bytes of the credit and of the limit, for that read
    uint64_t advance = 0;   // bytes that the limit of catching up gave for it
    Offset next;            // the next batch to send holds this offset
    // As last said.
    Offset high_watermark{-1};
    Offset log_start{-1};
  };

  // In the order of the round.
  using Place = std::pair<int32_t, Route>;  // priority first

  wire::LinkFollowAnswer::Partition compare(const wire::LinkFollow& message,
                                            const wire::LinkFollow::Partition& asked);
  bool leads(const Stream& stream, Route route);
  void begin(const wire::LinkBegin::Partition& asked, LeaderEpoch epoch, port::Effects& effects,
             wire::LinkEnd& ended);
  std::optional<Route> route_of(int32_t handle) const;
  void wait(Route route);
  void leave_round(Route route, const Stream& stream);
  // Of the streams in `places`; `of_others`: it is the turn of one of the less urgent.
  int32_t next_priority(const std::set<Place>& places, bool of_others) const;
  Place next_in_round(const std::set<Place>& places, bool of_others) const;
  // Credit, and within the limit.
  bool may_send(const Now& now, int32_t priority);
  // It catches up from far, and others are not to suffer from it now.
  bool is_held_back(const Now& now, const Stream& stream, const partition::Partition& partition);
  void wake_starved(const Now& now);
  // Lets one of those that catch up go on; false if none may.
  bool wake_held_back(const Now& now);
  void count(const Stream& stream, uint64_t bytes);
  // How much a read will be shows when it is done; until then it counts as much as it can be.
  void reserve(Stream& stream, const partition::Partition& partition);
  void release(Stream& stream);
  void forget(Route route);
  void end(Route route, wire::ErrorCode error, port::Effects& effects);
  void send(const wire::LinkBatches& message, port::Effects& effects);
  void send_waiting(const Now& now, port::Effects& effects);
  // Adds what one stream has to send; nothing is added if it must be read from disk first.
  void gather(const Now& now, Route route, Stream& stream, wire::LinkBatches& message,
              uint64_t& bytes, port::Effects& effects);

  Copies& copies_;
  const Session& session_;
  const uint64_t ticket_base_;
  std::map<Route, Stream> streams_;
  std::map<int32_t, Route> routes_;    // by the follower's handle
  std::multiset<int32_t> priorities_;  // of all streams
  std::set<Place> waiting_;            // streams that have something to send
  std::set<Place> starved_;            // the same, once they may send again
  std::set<Place> held_back_;          // those that catch up, until their limit lets more through
  std::map<int32_t, Route> served_;    // last one in the round, by priority
  std::map<uint32_t, Route> reads_;    // from disk, by ticket
  uint32_t last_read_ = 0;
  uint64_t credit_bytes_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t reserved_bytes_ = 0;  // by reads under way
  uint64_t sendings_ = 0;
  uint64_t wakes_ = 0;      // of those that were held back
  int32_t last_other_ = 0;  // the priority to which the last turn of others went
  uint64_t taken_bytes_ = 0;
  RateLimit limit_;
  RateLimit catch_up_;
  BytesByGroup* counter_ = nullptr;
};

}  // namespace magpie::link
