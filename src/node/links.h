// The connections to the other nodes of the cluster.
//
// The problem: every node follows some partitions of every other, connections break and come back,
// and a peer may be another data directory than a moment ago. The idea: this node opens one
// connection to each other node, on which it follows and asks; on the connections that others
// opened it leads and answers. What is to be followed outlives a connection, so that a new one goes
// on where the old one ended.
//
// Guarantees: only nodes that the cluster state knows, with the incarnation it knows, are listened
// to; of two connections from one node the newer one counts; a connection that fails in any way is
// opened again, with pauses that grow up to kPauseMax.
//
// What it does not do: it does not decide whom to follow or who leads (terms.h), keep tails, or
// answer questions (votes.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "admin/regions_status.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"
#include "control/state.h"
#include "link/receiver.h"
#include "link/sender.h"
#include "link/session.h"
#include "node/copies.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::node {

// Something asked on a connection that another node opened; answered with Links::answer().
struct Asked {
  port::ConnectionId connection;
  NodeId node;
  link::Message question;
};
// An answer to a question of ours.
struct Answered {
  NodeId node;
  link::Message answer;
};
// What was asked of the node, and not answered, never will be.
struct PeerLost {
  NodeId node;
};
struct Heard {
  NodeId leader;
  link::ReceiverEvent event;
};
// A follower began a stream or holds more than before.
struct FollowerMoved {};

using LinkEvent = std::variant<Asked, Answered, PeerLost, Heard, FollowerMoved>;

class Links {
 public:
  // `state` and `copies` must outlive this object.
  Links(const control::State& state, NodeCopies& copies, Random random);

  // Bytes of batches per second to each node of a region; "*" is any other region.
  using Limits = std::map<std::string, uint64_t, std::less<>>;

  // Who this node is, and how much it may send (link::Sender). Called once, before anything else.
  void start(link::LinkIdentity own, const Limits& limits, const Limits& catch_up);
  // Batches are compressed for who connects from now on.
  void compress_batches() { compresses_ = true; }
  // The node stops, or is none of the cluster's any more: everything is closed.
  void stop(port::Effects& effects);
  // It is one again.
  void go_on() { stopped_ = false; }

  // The cluster's nodes may have changed.
  void look_at_nodes(const Now& now, port::Effects& effects);

  bool owns(port::ConnectionId connection) const;
  // A connection from another node, or one of ours, is open.
  void opened(const Now& now, const port::ConnectionOpened& event, port::Effects& effects);
  void received(const Now& now, port::ConnectionId connection, const Buffer& frame,
                port::Effects& effects);
  void closed(const Now& now, port::ConnectionId connection, const std::string& reason,
              port::Effects& effects);

  // --- partitions -------------------------------------------------------------------------------

  // What is followed from `leader`. Null while that node is not known.
  link::Receiver* receiver(NodeId leader);
  // Nobody is followed for this partition, except `leader`.
  void unfollow_others(link::Route route, NodeId leader);
  // Something may have to be asked, or sent.
  void wake() { must_flush_ = true; }
  // The tail that was to be cut is kept elsewhere.
  void tail_exported(const Now& now, link::Route route, port::Effects& effects);
  // The partition has more to send or to report, or its high watermark moved.
  void moved(link::Route route);
  // It leads no more, or in another epoch, or is gone.
  void stopped(link::Route route, port::Effects& effects);
  // The records that a copy will never have were counted.
  void begin_anew(const Now& now, link::Route route, port::Effects& effects);
  void cut_done(link::Route route);
  void storage_failed(link::Route route);
  // What differs from the leader's cannot be read, and so not be kept.
  void tail_unreadable(const Now& now, link::Route route);
  // A copy that cannot be read is not put away after all, for now.
  void copy_stays(const Now& now, link::Route route);
  // Not all of the copy can be read.
  void unreadable(link::Route route);
  // True if the read was made for a follower.
  bool read_done(const Now& now, const partition::ReadDone& done, port::Effects& effects);

  // --- questions --------------------------------------------------------------------------------

  // False if the node cannot be asked now.
  bool ask(NodeId node, const link::Message& question, port::Effects& effects);
  void answer(port::ConnectionId connection, const link::Message& answer, port::Effects& effects);
  bool can_ask(NodeId node) const;
  // The nodes from which something came since the last call.
  std::set<NodeId> take_heard() { return std::exchange(heard_, {}); }
  // That node has a connection to this one, on which it may follow.
  bool has_follower(NodeId node) const;
  // Way there and back; nothing while it is not known.
  std::optional<Duration> round_trip(NodeId node) const;

  // For operators.
  std::vector<admin::LinkStatus> status() const;

  // --- time -------------------------------------------------------------------------------------

  void tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  std::vector<LinkEvent>& events() { return events_; }

 private:
  // A connection that this node opens, or will open again.
  struct Outgoing {
    NodeId node;
    control::Address address;
    std::optional<port::ConnectionId> connection;
    std::optional<link::Session> session;  // the connection is open
    std::unique_ptr<link::Receiver> receiver;
    Instant retry_at;
    Duration pause;
    bool reported = false;      // that it cannot be reached
    bool incompatible = false;  // and that it speaks none of our versions
  };
  // A connection that another node opened.
  struct Incoming {
    uint64_t number = 0;
    std::unique_ptr<link::Session> session;
    std::unique_ptr<link::Sender> sender;  // once the peer said who it is
  };

  void forget_nodes(port::Effects& effects);
  void call(const Now& now, Outgoing& link, port::Effects& effects);
  void lost(const Now& now, Outgoing& link, const std::string& reason, port::Effects& effects);
  // The same, if it is what was heard on it that ends it.
  void broken(const Now& now, Outgoing& link, const Error& error, port::Effects& effects);
  void drop(port::ConnectionId connection, const std::string& reason, port::Effects& effects);
  void forget_incoming(port::ConnectionId connection);
  Outgoing* outgoing_at(port::ConnectionId connection);
  const Outgoing* find(NodeId node) const;
  // Why the peer is not listened to; empty if it is.
  std::string stranger(const link::LinkIdentity& peer) const;
  Status hear(const Now& now, Outgoing& link, const Buffer& frame, port::Effects& effects);
  Status hear(const Now& now, port::ConnectionId connection, const Buffer& frame,
              port::Effects& effects);
  void admit(const Now& now, port::ConnectionId connection, Incoming& link, port::Effects& effects);
  void flush(const Now& now, port::Effects& effects);

  const control::State& state_;
  NodeCopies& copies_;
  Random random_;
  link::LinkIdentity own_;
  Limits limits_;
  Limits catch_up_limits_;
  bool stopped_ = false;
  bool compresses_ = false;
  // Since this node started, also over connections that are gone.
  std::map<NodeId, link::BytesByGroup> sent_bytes_;
  std::map<NodeId, link::BytesByGroup> received_bytes_;
  std::map<NodeId, Outgoing> outgoing_;
  std::map<port::ConnectionId, NodeId> calls_;  // connections of `outgoing_`
  std::map<port::ConnectionId, Incoming> incoming_;
  std::map<uint64_t, port::ConnectionId> by_number_;
  uint64_t next_call_ = 1;
  uint64_t next_number_ = 1;
  bool must_flush_ = false;
  std::set<NodeId> heard_;
  std::vector<LinkEvent> events_;
};

}  // namespace magpie::node
