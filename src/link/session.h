// One connection to another node, from the first message to the last.
//
// The problem: before two nodes exchange records they must know that they belong to the same
// cluster, which data directory the other one is, and what both understand; afterwards each must
// notice a peer that is gone without a word. The idea: both say hello first; whoever cannot go on
// with the other says why and closes. Then either side pings at a fixed interval, which measures
// the way there and back, and a silence of several intervals ends the session. Long messages travel
// in pieces, so that one on a slow line is not taken for silence.
//
// What it does not do: it opens no connection, and knows nothing of partitions.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "link/line_round_trip.h"
#include "link/message.h"
#include "port/effect.h"

namespace magpie::link {

inline constexpr Duration kPingInterval = Duration::milliseconds(500);
// While the line is measured.
inline constexpr Duration kQuietPingInterval = Duration::milliseconds(100);
inline constexpr Duration kSilenceMax = Duration::seconds(4);
// No message is longer; a peer that sends one is not believed.
inline constexpr size_t kLongestMessageBytes = 256 * 1024 * 1024;

// Who a node is, as it says on a link.
struct LinkIdentity {
  std::string cluster_id;
  NodeId node;
  std::string region;
  Uuid incarnation;
  std::string build;  // version of the program

  bool operator==(const LinkIdentity&) const = default;
};

// What the node's certificate must be issued for: "node-3.orders" for node 3 of cluster `orders`.
std::string certificate_name(std::string_view cluster_id, NodeId node);

class Session {
 public:
  // `certified_name` is what the peer's certificate was issued for; empty without encryption.
  // `expected`: the node that was called; nothing if the peer called.
  Session(LinkIdentity own, port::ConnectionId connection, std::string certified_name,
          std::optional<NodeId> expected);

  // Says hello. Called once.
  void start(const Now& now, port::Effects& effects);

  // Takes one frame. Answers hello and ping itself and then returns nothing, as for a piece that is
  // not the last; returns other messages. Error: the session cannot go on; the message says why.
  // Whoever calls closes the connection.
  Result<std::optional<Message>> receive(const Now& now, const Buffer& frame,
                                         port::Effects& effects);

  // Returns the bytes of the frames that it became. REQUIRES: established.
  uint64_t send(const Message& message, port::Effects& effects) const;
  // Batches are compressed from now on where it pays (packing.h); the peer need not do the same.
  void compress_batches() { compresses_ = true; }

  // Pings. Error: the peer has been silent for too long.
  Status tick(const Now& now, port::Effects& effects);
  Instant next_deadline() const;

  port::ConnectionId connection() const { return connection_; }
  bool is_established() const { return peer_.has_value(); }
  // REQUIRES: established.
  const LinkIdentity& peer() const { return *peer_; }
  // Of the message that receive() returned last: the bytes of the frames that it came in.
  uint64_t received_bytes() const { return received_bytes_; }
  // Way there and back as last measured; nothing before the first answer.
  std::optional<Duration> round_trip() const { return round_trip_; }
  // The line itself, and whether little should be on its way so that it can be measured.
  const LineRoundTrip& line_round_trip() const { return line_round_trip_; }

 private:
  Result<std::optional<Message>> take(const Now& now, Message message, port::Effects& effects);
  Result<std::optional<Message>> take_whole(const Now& now, Message message,
                                            port::Effects& effects);
  Result<std::optional<Message>> join(const Now& now, const wire::LinkPiece& piece,
                                      port::Effects& effects);
  Status meet(const wire::LinkHello& hello);
  void on_ping(const Now& now, const wire::LinkPing& ping, port::Effects& effects);

  const LinkIdentity own_;
  const port::ConnectionId connection_;
  const std::string certified_name_;
  const std::optional<NodeId> expected_;
  std::optional<LinkIdentity> peer_;
  int16_t version_ = kHighestVersion;
  bool compresses_ = false;
  int64_t last_ping_ = 0;
  int64_t last_answer_ = 0;
  std::optional<Duration> round_trip_;
  LineRoundTrip line_round_trip_;
  BufferChain pieces_;         // of a message that is not complete
  uint64_t pieces_bytes_ = 0;  // of the frames that they came in
  uint64_t received_bytes_ = 0;
  Instant next_ping_ = Instant::never();
  Instant last_heard_;
};

}  // namespace magpie::link
