// One site's vote on epochs: which it has accepted, and which it has promised not to accept.
//
// The problem: a leader that cannot reach the control store should go on while the rest of the
// cluster agrees that it leads, and a failover must not begin while it may still do so. The idea:
// both need a majority of the other sites, and each site keeps them apart: while a promise to the
// leader of one epoch holds, it accepts no higher one; once it has accepted a higher one, it makes
// no promise to lower ones (DESIGN section 7, leases and promotion (b)).
//
// Guarantees: an acceptance is durable before it is answered; a site that restarts accepts nothing
// until every promise it may have made has run out, so promises need no disk.
//
// What it does not do: it does not count votes, and knows no leader.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::replication {

// The longest promise.
inline constexpr Duration kPromiseMax = Duration::seconds(10);

struct PromiseAnswer {
  bool granted = false;
  Duration duration;
  LeaderEpoch epoch = kNoLeaderEpoch;  // not granted: what was accepted
};
struct AcceptAnswer {
  bool accepted = false;
  LeaderEpoch epoch = kNoLeaderEpoch;  // highest accepted
  Duration wait;                       // until the promise that forbids it has run out
  Status status;                       // the disk refused
};

class EpochGate {
 public:
  using Answer = std::function<void(const AcceptAnswer&, port::Effects&)>;

  // Its file, and the owner of its disk effects.
  EpochGate(port::FileRef file, uint32_t owner);

  // Takes what the file held; empty if there is none. kCorrupt or kUnsupported: the site must not
  // vote.
  Status restore(Instant now, std::string_view content);

  // To the leader of `epoch`: no higher one is accepted for `duration` (at most kPromiseMax).
  PromiseAnswer promise(Instant now, const std::string& group, LeaderEpoch epoch,
                        Duration duration);

  // Accepts `epoch`; `answer` is called now or, after the disk has it, later.
  void accept(Instant now, const std::string& group, LeaderEpoch epoch, Answer answer,
              port::Effects& effects);
  // A disk effect of this object finished.
  void step(const port::DiskDone& done, port::Effects& effects);

  // The highest epoch accepted durably; kNoLeaderEpoch if none was.
  LeaderEpoch accepted(const std::string& group) const;

 private:
  struct Promise {
    LeaderEpoch epoch;
    Instant until;
  };
  struct Waiting {
    std::string group;
    LeaderEpoch epoch;
    Answer answer;
  };

  std::string encode(const std::map<std::string, LeaderEpoch>& accepted) const;
  void write(port::Effects& effects);

  port::FileRef file_;
  uint32_t owner_;
  Instant started_;
  std::map<std::string, LeaderEpoch> accepted_;  // durable
  std::map<std::string, Promise> promises_;
  std::deque<Waiting> waiting_;  // for a write; the first `writing_` are in the one under way
  size_t writing_ = 0;
};

}  // namespace magpie::replication
