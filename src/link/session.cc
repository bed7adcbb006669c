#include "link/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "link/packing.h"

namespace magpie::link {

std::string certificate_name(std::string_view cluster_id, NodeId node) {
  return fmt::format("node-{}.{}", node.value, cluster_id);
}

Session::Session(LinkIdentity own, port::ConnectionId connection, std::string certified_name,
                 std::optional<NodeId> expected)
    : own_(std::move(own)),
      connection_(connection),
      certified_name_(std::move(certified_name)),
      expected_(expected) {}

void Session::start(const Now& now, port::Effects& effects) {
  last_heard_ = now.instant;
  next_ping_ = now.instant + kPingInterval;
  wire::LinkHello hello;
  hello.lowest_version = kLowestVersion;
  hello.highest_version = kHighestVersion;
  hello.cluster_id = own_.cluster_id;
  hello.node_id = own_.node.value;
  hello.region = own_.region;
  hello.incarnation = own_.incarnation;
  hello.build = own_.build;
  effects.add(port::Send{connection_, encode_frame(hello, kLowestVersion)});
}

Result<std::optional<Message>> Session::receive(const Now& now, const Buffer& frame,
                                                port::Effects& effects) {
  last_heard_ = now.instant;
  received_bytes_ = kFrameSizeBytes + frame.size();
  Result<Message> message = decode_frame(frame, version_);
  if (!message) return fail(message.error());
  if (const auto* piece = std::get_if<wire::LinkPiece>(&*message)) {
    return join(now, *piece, effects);
  }
  if (!pieces_.empty()) {
    return fail(ErrorKind::kInvalidArgument, "the peer began a message inside another one");
  }
  return take_whole(now, std::move(*message), effects);
}

Result<std::optional<Message>> Session::take_whole(const Now& now, Message message,
                                                   port::Effects& effects) {
  const auto* packed = std::get_if<wire::LinkPacked>(&message);
  if (packed == nullptr) return take(now, std::move(message), effects);
  if (!is_established()) return fail(ErrorKind::kInvalidArgument, "the peer did not say hello");
  Result<Message> inside = unpack(*packed, version_, kLongestMessageBytes);
  if (!inside) return fail(inside.error());
  return take(now, std::move(*inside), effects);
}

Result<std::optional<Message>> Session::join(const Now& now, const wire::LinkPiece& piece,
                                             port::Effects& effects) {
  for (const Buffer& bytes : piece.bytes.value_or(BufferChain())) pieces_.push_back(bytes);
  if (!is_established() || size_of(pieces_) > kLongestMessageBytes) {
    return fail(ErrorKind::kInvalidArgument, "the peer sent a message that is too long");
  }
  pieces_bytes_ += received_bytes_;
  if (!piece.last) return std::nullopt;
  received_bytes_ = std::exchange(pieces_bytes_, 0);
  Result<Message> message = decode_frame(flatten(std::exchange(pieces_, {})), version_);
  if (!message) return fail(message.error());
  if (std::holds_alternative<wire::LinkPiece>(*message)) {
    return fail(ErrorKind::kInvalidArgument, "the peer sent a piece of a piece");
  }
  return take_whole(now, std::move(*message), effects);
}

Result<std::optional<Message>> Session::take(const Now& now, Message message,
                                             port::Effects& effects) {
  if (const auto* hello = std::get_if<wire::LinkHello>(&message)) {
    if (Status met = meet(*hello); !met) return fail(met.error());
    next_ping_ = now.instant;  // how far away it is should be known early
    return std::nullopt;
  }
  if (!is_established()) return fail(ErrorKind::kInvalidArgument, "the peer did not say hello");
  if (const auto* ping = std::get_if<wire::LinkPing>(&message)) {
    on_ping(now, *ping, effects);
    return std::nullopt;
  }
  return std::optional(std::move(message));
}

Status Session::meet(const wire::LinkHello& hello) {
  if (is_established()) return fail(ErrorKind::kInvalidArgument, "the peer said hello twice");
  const std::string who = fmt::format("node {} ({})", hello.node_id, hello.build);
  if (Status shared = check_versions(who, hello.lowest_version, hello.highest_version); !shared) {
    return shared;
  }
  if (hello.cluster_id != own_.cluster_id) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("the peer belongs to cluster '{}', this node to '{}'; check the "
                            "addresses of links",
                            hello.cluster_id, own_.cluster_id));
  }
  const NodeId node{hello.node_id};
  if (node == own_.node || (expected_ && node != *expected_)) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("node {} answered where {} was expected; check the addresses of links",
                            node.value,
                            expected_ ? fmt::format("node {}", expected_->value) : "another node"));
  }
  if (!certified_name_.empty() && certified_name_ != certificate_name(own_.cluster_id, node)) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("the peer says it is node {}, but its certificate was issued for '{}', "
                            "not '{}'",
                            node.value, certified_name_, certificate_name(own_.cluster_id, node)));
  }
  version_ = std::min(hello.highest_version, kHighestVersion);
  peer_ = LinkIdentity{hello.cluster_id, node, hello.region, hello.incarnation, hello.build};
  return {};
}

void Session::on_ping(const Now& now, const wire::LinkPing& ping, port::Effects& effects) {
  if (!ping.answer) {
    wire::LinkPing answer = ping;
    answer.answer = true;
    send(answer, effects);
    return;
  }
  // On a long way others were sent meanwhile.
  const Duration round_trip = now.instant - Instant{ping.sent_at};
  const bool expected = ping.number > last_answer_ && ping.number <= last_ping_;
  if (!expected || round_trip < Duration{} || round_trip > kSilenceMax) return;
  last_answer_ = ping.number;
  round_trip_ = round_trip;
  const bool was_quiet = line_round_trip_.wants_quiet();
  line_round_trip_.measured(now.instant, round_trip);
  if (line_round_trip_.wants_quiet() && !was_quiet) next_ping_ = now.instant;
}

uint64_t Session::send(const Message& message, port::Effects& effects) const {
  CHECK(is_established());
  uint64_t bytes = 0;
  const auto packed = compresses_ ? pack(message, version_) : std::nullopt;
  for (BufferChain& frame : encode_frames(packed ? Message(*packed) : message, version_)) {
    bytes += size_of(frame);
    effects.add(port::Send{connection_, std::move(frame)});
  }
  return bytes;
}

Status Session::tick(const Now& now, port::Effects& effects) {
  if (now.instant - last_heard_ >= kSilenceMax) {
    return fail(ErrorKind::kUnavailable,
                fmt::format("nothing was heard for {} s",
                            (now.instant - last_heard_).nanos / Duration::seconds(1).nanos));
  }
  if (next_ping_ <= now.instant) {
    const bool quiet = line_round_trip_.wants_quiet();
    next_ping_ = now.instant + (quiet ? kQuietPingInterval : kPingInterval);
    wire::LinkPing ping;
    ping.number = ++last_ping_;
    ping.sent_at = now.instant.nanos;
    if (is_established()) send(ping, effects);
  }
  return {};
}

Instant Session::next_deadline() const {
  return std::min(next_ping_, last_heard_ + kSilenceMax);
}

}  // namespace magpie::link
