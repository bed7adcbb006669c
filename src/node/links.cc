#include "node/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kafka/ticket.h"

namespace magpie::node {
namespace {

using link::Message;
using link::Session;

constexpr Duration kPauseMin = Duration::milliseconds(100);
constexpr Duration kPauseMax = Duration::seconds(2);

constexpr uint64_t kNumberMask = (uint64_t{1} << 24) - 1;

// What the tickets of an incoming connection's reads begin with.
uint64_t ticket_base(uint64_t number) {
  return kafka::Ticket{kafka::TicketKind::kMemberRead, 0, 0}.pack() | number << 32;
}

template <typename Kind>
bool is(const Message& message) {
  return std::holds_alternative<Kind>(message);
}

bool is_question(const Message& message) {
  return is<wire::LinkPromise>(message) || is<wire::LinkAccept>(message) ||
         is<wire::LinkInspect>(message);
}

bool is_answer(const Message& message) {
  return is<wire::LinkPromiseAnswer>(message) || is<wire::LinkAcceptAnswer>(message) ||
         is<wire::LinkInspectAnswer>(message);
}

// Nothing: no limit.
std::optional<uint64_t> limit_for(const Links::Limits& limits, const std::string& region) {
  auto found = limits.find(region);
  if (found == limits.end()) found = limits.find("*");
  return found == limits.end() ? std::nullopt : std::optional(found->second);
}

Status unexpected(const Message& message) {
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("a message of kind {} does not belong here", message.index() + 1));
}

}  // namespace

Links::Links(const control::State& state, NodeCopies& copies, Random random)
    : state_(state), copies_(copies), random_(random) {}

void Links::start(link::LinkIdentity own, const Limits& limits, const Limits& catch_up) {
  own_ = std::move(own);
  limits_ = limits;
  catch_up_limits_ = catch_up;
}

void Links::stop(port::Effects& effects) {
  stopped_ = true;
  for (const auto& [connection, node] : calls_) {
    effects.add(port::CloseConnection{connection, false});
  }
  for (const auto& [connection, link] : incoming_) {
    effects.add(port::CloseConnection{connection, false});
  }
  for (auto& [node, link] : outgoing_) link.receiver->use(nullptr);
  calls_.clear();
  outgoing_.clear();
  by_number_.clear();
  incoming_.clear();
}

// --- who is there --------------------------------------------------------------------------------

void Links::look_at_nodes(const Now& now, port::Effects& effects) {
  if (stopped_) return;
  for (const auto& [id, node] : state_.nodes()) {
    if (id == own_.node || node.link.port == 0) continue;
    Outgoing& link = outgoing_[id];
    if (link.receiver == nullptr) {
      link.node = id;
      link.receiver = std::make_unique<link::Receiver>(copies_);
      link.receiver->count_into(received_bytes_[id]);
      link.pause = kPauseMin;
    }
    const bool moved = link.address != node.link;
    const bool rebuilt = link.session && link.session->is_established() &&
                         link.session->peer().incarnation != node.incarnation;
    link.address = node.link;
    if ((moved || rebuilt) && link.connection) {
      lost(now, link, "the node has announced itself anew", effects);
    }
    if (!link.connection && link.retry_at == Instant{}) call(now, link, effects);
  }
  forget_nodes(effects);
  // A directory that was replaced must not be listened to any longer.
  std::map<port::ConnectionId, std::string> strangers;
  for (const auto& [connection, link] : incoming_) {
    if (link.sender == nullptr) continue;
    std::string why = stranger(link.session->peer());
    if (!why.empty()) strangers.emplace(connection, std::move(why));
  }
  for (const auto& [connection, why] : strangers) drop(connection, why, effects);
}

// Those that are none of the cluster's any more.
void Links::forget_nodes(port::Effects& effects) {
  for (auto next = outgoing_.begin(); next != outgoing_.end();) {
    const auto at = next++;
    Outgoing& link = at->second;
    if (state_.find_node(link.node) != nullptr) continue;
    if (link.connection) {
      calls_.erase(*link.connection);
      effects.add(port::CloseConnection{*link.connection, false});
    }
    link.receiver->use(nullptr);
    events_.emplace_back(PeerLost{link.node});
    outgoing_.erase(at);
  }
}

std::string Links::stranger(const link::LinkIdentity& peer) const {
  const control::Node* known = state_.find_node(peer.node);
  if (known == nullptr) return fmt::format("node {} is not known to the cluster", peer.node.value);
  if (known->incarnation != peer.incarnation) {
    return fmt::format("node {} has another data directory than the cluster knows",
                       peer.node.value);
  }
  return {};
}

void Links::call(const Now&, Outgoing& link, port::Effects& effects) {
  const port::ConnectionId connection{port::kOwnConnectionBit | next_call_++};
  link.connection = connection;
  link.retry_at = Instant::never();
  calls_[connection] = link.node;
  effects.add(port::Connect{connection, link.address.host, link.address.port,
                            link::certificate_name(own_.cluster_id, link.node)});
}

void Links::lost(const Now& now, Outgoing& link, const std::string& reason,
                 port::Effects& effects) {
  const bool was_up = link.session && link.session->is_established();
  if (link.connection) {
    calls_.erase(*link.connection);
    effects.add(port::CloseConnection{*link.connection, false});
  }
  link.receiver->use(nullptr);
  link.session.reset();
  link.connection.reset();
  if (was_up) {
    link.pause = kPauseMin;
    events_.emplace_back(PeerLost{link.node});
  }
  // Not all nodes at the same moment.
  const int64_t half = link.pause.nanos / 2;
  link.retry_at = now.instant + Duration::nanoseconds(half + random_.between(0, half));
  link.pause = std::min(Duration::nanoseconds(2 * link.pause.nanos), kPauseMax);
  if (std::exchange(link.reported, true)) return;
  effects.add(
      port::LogLine{port::Severity::kWarning, "link_down",
                    fmt::format("no link to node {} at {}:{}: {}; trying again", link.node.value,
                                link.address.host, link.address.port, reason)});
}

void Links::broken(const Now& now, Outgoing& link, const Error& error, port::Effects& effects) {
  const bool incompatible =
      error.kind == ErrorKind::kUnsupported && !link.session->is_established();
  if (incompatible && !std::exchange(link.incompatible, true)) {
    // Also if it could not be reached before, as while it was being upgraded.
    link.reported = true;
    effects.add(
        port::LogLine{port::Severity::kError, "link_incompatible",
                      fmt::format("no link to node {} at {}:{}: {}; trying again", link.node.value,
                                  link.address.host, link.address.port, error.message)});
  }
  lost(now, link, error.message, effects);
}

const Links::Outgoing* Links::find(NodeId node) const {
  const auto found = outgoing_.find(node);
  return found == outgoing_.end() ? nullptr : &found->second;
}

Links::Outgoing* Links::outgoing_at(port::ConnectionId connection) {
  const auto call = calls_.find(connection);
  return call == calls_.end() ? nullptr : &outgoing_.at(call->second);
}

// --- connections ---------------------------------------------------------------------------------

// Also connections that are given up already: what still comes of them is for nobody else.
bool Links::owns(port::ConnectionId connection) const {
  return (connection.value & port::kOwnConnectionBit) != 0 || incoming_.contains(connection);
}

void Links::opened(const Now& now, const port::ConnectionOpened& event, port::Effects& effects) {
  if (stopped_) return effects.add(port::CloseConnection{event.connection, false});
  if ((event.connection.value & port::kOwnConnectionBit) != 0) {
    Outgoing* const link = outgoing_at(event.connection);
    if (link == nullptr) return;
    link->session.emplace(own_, event.connection, event.peer_name, link->node);
    return link->session->start(now, effects);
  }
  Incoming& link = incoming_[event.connection];
  link.number = next_number_++ & kNumberMask;
  by_number_[link.number] = event.connection;
  link.session = std::make_unique<Session>(own_, event.connection, event.peer_name, std::nullopt);
  if (compresses_) link.session->compress_batches();
  link.session->start(now, effects);
}

void Links::closed(const Now& now, port::ConnectionId connection, const std::string& reason,
                   port::Effects& effects) {
  if (Outgoing* const link = outgoing_at(connection)) return lost(now, *link, reason, effects);
  forget_incoming(connection);
}

void Links::drop(port::ConnectionId connection, const std::string& reason, port::Effects& effects) {
  effects.add(port::LogLine{port::Severity::kWarning, "link_refused", reason});
  effects.add(port::CloseConnection{connection, true});
  forget_incoming(connection);
}

void Links::forget_incoming(port::ConnectionId connection) {
  const auto found = incoming_.find(connection);
  if (found == incoming_.end()) return;
  by_number_.erase(found->second.number);
  incoming_.erase(found);
}

void Links::received(const Now& now, port::ConnectionId connection, const Buffer& frame,
                     port::Effects& effects) {
  must_flush_ = true;
  if (Outgoing* const link = outgoing_at(connection)) {
    const Status status = hear(now, *link, frame, effects);
    if (status) heard_.insert(link->node);
    if (!status) broken(now, *link, status.error(), effects);
    return;
  }
  if (!incoming_.contains(connection)) return;
  const Status status = hear(now, connection, frame, effects);
  if (!status) drop(connection, status.error().message, effects);
}

// From a node that is followed, or asked.
Status Links::hear(const Now& now, Outgoing& link, const Buffer& frame, port::Effects& effects) {
  const bool was_up = link.session->is_established();
  auto message = link.session->receive(now, frame, effects);
  if (!message) return fail(message.error());
  if (!was_up && link.session->is_established()) {
    const std::string problem = stranger(link.session->peer());
    if (!problem.empty()) return fail(ErrorKind::kInvalidArgument, problem);
    link.receiver->use(&*link.session);
    link.pause = kPauseMin;
    link.reported = link.incompatible = false;
    effects.add(port::LogLine{
        port::Severity::kInfo, "link_up",
        fmt::format("linked to node {} in {}", link.node.value, link.session->peer().region)});
  }
  if (!*message) return {};
  if (auto* answer = std::get_if<wire::LinkFollowAnswer>(&**message)) {
    link.receiver->on(now, *answer, effects);
  } else if (auto* batches = std::get_if<wire::LinkBatches>(&**message)) {
    link.receiver->on(now, *batches, effects);
  } else if (auto* end = std::get_if<wire::LinkEnd>(&**message)) {
    link.receiver->on(now, *end);
  } else if (is_answer(**message)) {
    events_.emplace_back(Answered{link.node, std::move(**message)});
  } else {
    return unexpected(**message);
  }
  return {};
}

// From a node that follows, or asks.
Status Links::hear(const Now& now, port::ConnectionId connection, const Buffer& frame,
                   port::Effects& effects) {
  Incoming& link = incoming_.at(connection);
  auto message = link.session->receive(now, frame, effects);
  if (!message) return fail(message.error());
  if (link.session->is_established() && link.sender == nullptr) {
    const std::string problem = stranger(link.session->peer());
    if (!problem.empty()) return fail(ErrorKind::kInvalidArgument, problem);
    admit(now, connection, link, effects);
  }
  if (!*message) return {};
  if (auto* follow = std::get_if<wire::LinkFollow>(&**message)) {
    link.sender->on(now, *follow, effects);
  } else if (auto* begin = std::get_if<wire::LinkBegin>(&**message)) {
    link.sender->on(now, *begin, effects);
    events_.emplace_back(FollowerMoved{});
  } else if (auto* progress = std::get_if<wire::LinkProgress>(&**message)) {
    link.sender->on(now, *progress, effects);
    events_.emplace_back(FollowerMoved{});
  } else if (is_question(**message)) {
    events_.emplace_back(Asked{connection, link.session->peer().node, std::move(**message)});
  } else {
    return unexpected(**message);
  }
  return {};
}

void Links::admit(const Now& now, port::ConnectionId connection, Incoming& link,
                  port::Effects& effects) {
  // What comes late on an older connection must not count after what came on this one.
  std::vector<port::ConnectionId> older;
  for (const auto& [other, each] : incoming_) {
    const bool same =
        each.sender != nullptr && each.session->peer().node == link.session->peer().node;
    if (same && other != connection) older.push_back(other);
  }
  for (const port::ConnectionId other : older) {
    effects.add(port::CloseConnection{other, false});
    forget_incoming(other);
  }
  link.sender = std::make_unique<link::Sender>(copies_, *link.session, ticket_base(link.number));
  link.sender->count_into(sent_bytes_[link.session->peer().node]);
  const std::string& region = link.session->peer().region;
  link.sender->limit_rate(now, limit_for(limits_, region));
  link.sender->limit_catch_up(now, limit_for(catch_up_limits_, region));
}

// --- partitions ----------------------------------------------------------------------------------

link::Receiver* Links::receiver(NodeId leader) {
  const auto found = outgoing_.find(leader);
  return found == outgoing_.end() ? nullptr : found->second.receiver.get();
}

void Links::unfollow_others(link::Route route, NodeId leader) {
  for (auto& [node, link] : outgoing_) {
    if (node != leader) link.receiver->unfollow(route);
  }
}

void Links::moved(link::Route route) {
  must_flush_ = true;
  for (auto& [connection, link] : incoming_) {
    if (link.sender != nullptr) link.sender->moved(route);
  }
  for (auto& [node, link] : outgoing_) link.receiver->moved(route);
}

void Links::stopped(link::Route route, port::Effects& effects) {
  for (auto& [connection, link] : incoming_) {
    if (link.sender != nullptr) link.sender->stopped(route, effects);
  }
}

void Links::tail_exported(const Now& now, link::Route route, port::Effects& effects) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->tail_exported(now, route, effects);
}

void Links::begin_anew(const Now& now, link::Route route, port::Effects& effects) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->begin_anew(now, route, effects);
}

void Links::cut_done(link::Route route) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->cut_done(route);
}

void Links::storage_failed(link::Route route) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->storage_failed(route);
}

void Links::tail_unreadable(const Now& now, link::Route route) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->tail_unreadable(now, route);
}

void Links::copy_stays(const Now& now, link::Route route) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->stays(now, route);
}

void Links::unreadable(link::Route route) {
  must_flush_ = true;
  for (auto& [node, link] : outgoing_) link.receiver->unreadable(route);
}

bool Links::read_done(const Now& now, const partition::ReadDone& done, port::Effects& effects) {
  if (kafka::Ticket::unpack(done.ticket).kind != kafka::TicketKind::kMemberRead) return false;
  const auto place = by_number_.find(done.ticket >> 32 & kNumberMask);
  if (place == by_number_.end()) return true;
  Incoming& link = incoming_.at(place->second);
  must_flush_ = true;
  if (link.sender != nullptr) link.sender->read_done(now, done.ticket & UINT32_MAX, done, effects);
  return true;
}

// --- questions -----------------------------------------------------------------------------------

bool Links::can_ask(NodeId node) const {
  const Outgoing* const link = find(node);
  return link != nullptr && link->session && link->session->is_established();
}

bool Links::has_follower(NodeId node) const {
  return std::any_of(incoming_.begin(), incoming_.end(), [&](const auto& entry) {
    return entry.second.sender != nullptr && entry.second.session->peer().node == node;
  });
}

bool Links::ask(NodeId node, const Message& question, port::Effects& effects) {
  if (!can_ask(node)) return false;
  find(node)->session->send(question, effects);
  return true;
}

void Links::answer(port::ConnectionId connection, const Message& answer, port::Effects& effects) {
  const auto found = incoming_.find(connection);
  if (found != incoming_.end()) found->second.session->send(answer, effects);
}

std::optional<Duration> Links::round_trip(NodeId node) const {
  const Outgoing* const link = find(node);
  return link != nullptr && link->session ? link->session->round_trip() : std::nullopt;
}

std::vector<admin::LinkStatus> Links::status() const {
  std::vector<admin::LinkStatus> list;
  for (const auto& [node, link] : outgoing_) {
    admin::LinkStatus& each = list.emplace_back();
    each.node = node;
    each.up = can_ask(node);
    each.incompatible = link.incompatible;
    each.round_trip = round_trip(node);
    if (const auto sent = sent_bytes_.find(node); sent != sent_bytes_.end()) {
      for (const auto& [group, bytes] : sent->second) {
        each.sent_bytes[group] = bytes.stored;
        each.sent_wire_bytes[group] = bytes.wire;
      }
    }
    if (const auto received = received_bytes_.find(node); received != received_bytes_.end()) {
      for (const auto& [group, bytes] : received->second) {
        each.received_bytes[group] = bytes.stored;
        each.received_wire_bytes[group] = bytes.wire;
      }
    }
  }
  return list;
}

// --- time ----------------------------------------------------------------------------------------

void Links::tick(const Now& now, port::Effects& effects) {
  for (auto& [node, link] : outgoing_) {
    if (!link.connection && link.retry_at <= now.instant) call(now, link, effects);
    if (!link.session || link.session->next_deadline() > now.instant) continue;
    const Status status = link.session->tick(now, effects);
    if (!status) lost(now, link, status.error().message, effects);
  }
  std::vector<std::pair<port::ConnectionId, std::string>> silent;
  for (auto& [connection, link] : incoming_) {
    if (link.session->next_deadline() > now.instant) continue;
    const Status status = link.session->tick(now, effects);
    if (!status) silent.emplace_back(connection, status.error().message);
  }
  for (const auto& [connection, reason] : silent) drop(connection, reason, effects);
  flush(now, effects);
}

void Links::flush(const Now& now, port::Effects& effects) {
  must_flush_ = false;
  for (auto& [connection, link] : incoming_) {
    if (link.sender != nullptr) link.sender->flush(now, effects);
  }
  for (auto& [node, link] : outgoing_) {
    link.receiver->flush(now, effects);
    for (link::ReceiverEvent& event : std::exchange(link.receiver->events(), {})) {
      events_.emplace_back(Heard{node, event});
    }
  }
}

Instant Links::next_deadline() const {
  if (must_flush_) return Instant{};
  Instant next = Instant::never();
  for (const auto& [node, link] : outgoing_) {
    next = std::min(next, link.receiver->next_deadline());
    if (!link.connection) next = std::min(next, link.retry_at);
    if (link.session) next = std::min(next, link.session->next_deadline());
  }
  for (const auto& [connection, link] : incoming_) {
    next = std::min(next, link.session->next_deadline());
    if (link.sender != nullptr) next = std::min(next, link.sender->next_deadline());
  }
  return next;
}

}  // namespace magpie::node
