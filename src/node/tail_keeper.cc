#include "node/tail_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kafka/ticket.h"

namespace magpie::node {
namespace {

constexpr uint64_t kPieceBytes = 1024 * 1024;
constexpr Duration kRetryDelay = Duration::milliseconds(1'000);
constexpr Duration kLookDelay = Duration::milliseconds(10);

// What is still being written may be neither in memory nor to be read from the disk.
bool is_being_written(const partition::Partition& log, Offset end) {
  return log.durable_end() < std::min(end, log.log_end());
}

port::FileRef file_in(log::FileIds& files, const std::string& folder, std::string_view name) {
  return std::make_shared<const port::FileName>(
      port::FileName{files.next(), fmt::format("{}/{}", folder, name)});
}

// Of one partition. Retention may have taken the beginning of the one that is being kept.
bool is_same(const salvage::Tail& kept, const salvage::Tail& wanted) {
  return kept.topic_id == wanted.topic_id && kept.epoch == wanted.epoch &&
         kept.cut_in == wanted.cut_in && kept.from == wanted.from && kept.to == wanted.to;
}

}  // namespace

void TailKeeper::keep(kafka::Broker& broker, const kafka::HostedPartition& hosted,
                      const std::string& group, const link::TailDiffers& differs) {
  salvage::Tail tail;
  tail.topic = hosted.topic;
  tail.topic_id = hosted.topic_id;
  tail.partition = hosted.index;
  tail.group = group;
  tail.epoch = differs.epoch;
  tail.cut_in = differs.cut_in;
  tail.from = differs.from;
  tail.to = differs.to;
  tail.cut_at = broker.now.wall.millis;
  // A copy whose tail cannot be read is compared again and again; the export goes on meanwhile.
  const auto running = exports_.find(hosted.route);
  if (running != exports_.end() && is_same(running->second.tail, tail)) return;
  begin(broker, hosted.route, tail, "");
}

void TailKeeper::forget(kafka::Route route) {
  const auto found = exports_.find(route);
  if (found == exports_.end()) return;
  by_number_.erase(found->second.number);
  exports_.erase(found);
}

void TailKeeper::begin(kafka::Broker& broker, kafka::Route route, const salvage::Tail& tail,
                       std::string complaint) {
  const uint64_t number = next_number_++;
  const std::string folder = salvage::folder_of(tail);
  forget(route);
  Export& one = exports_
                    .emplace(route, Export{tail,
                                           {tail, file_in(files_, folder, salvage::kRecordsName),
                                            file_in(files_, folder, salvage::kAboutName),
                                            kTailKeeperOwner, number},
                                           number,
                                           std::move(complaint)})
                    .first->second;
  by_number_[number] = route;
  one.work.start(broker.effects);
}

void TailKeeper::go_on(kafka::Broker& broker, kafka::Route route, Export& one) {
  if (broker.partitions.find(route) == nullptr) return forget(route);  // its topic was deleted
  if (one.work.error()) {
    if (one.complaint != one.work.error()->message) {
      broker.effects.add(port::LogLine{
          port::Severity::kError, "tail_not_kept",
          fmt::format("records {} to {} of {}-{} must be kept before they are cut, and cannot be: "
                      "{}. Nothing is cut; it is tried again every second",
                      one.tail.from.value, one.tail.to.value, one.tail.topic,
                      one.tail.partition.value, one.work.error()->message)});
      one.complaint = one.work.error()->message;
    }
    one.retry_at = broker.now.instant + kRetryDelay;
    if (one.work.error()->kind == ErrorKind::kCorrupt) unreadable_.push_back(route);
    return;
  }
  while (const auto wanted = one.work.wants()) {
    kafka::HostedPartition* hosted = broker.partitions.find(route);
    const bool there = hosted != nullptr && hosted->partition->is_readable() &&
                       *wanted >= hosted->partition->log_start() &&
                       *wanted <= hosted->partition->log_end();
    if (!there) {
      one.work.give_up(Error{ErrorKind::kUnavailable, "the log cannot be read now"});
      return go_on(broker, route, one);
    }
    if (is_being_written(*hosted->partition, one.tail.to)) {
      one.look_at = broker.now.instant + kLookDelay;
      return;
    }
    const uint64_t ticket = kafka::Ticket{kafka::TicketKind::kTailRead, one.number, 0}.pack();
    const auto batches =
        broker.partitions.call(*hosted, broker.effects, [&](auto& partition, auto& out) {
          return partition.read_for_member(broker.now, ticket, *wanted, kPieceBytes, out);
        });
    if (!batches) return;
    one.work.take(*batches, broker.effects);
  }
  if (!one.work.done()) return;
  const salvage::Tail& tail = one.work.tail();
  records_kept_ += static_cast<uint64_t>(tail.records);
  if (tail.records > 0) {
    broker.effects.add(port::LogLine{
        port::Severity::kWarning, "tail_kept",
        fmt::format("{} records ({} bytes) of {}-{}, offsets {} to {}, are not in the log of the "
                    "leader of epoch {}; kept in {}",
                    tail.records, tail.bytes, tail.topic, tail.partition.value, tail.from.value,
                    tail.to.value, tail.cut_in.value, salvage::folder_of(tail))});
  }
  kept_.push_back(route);
  by_number_.erase(one.number);
  exports_.erase(route);
}

bool TailKeeper::read_done(kafka::Broker& broker, const partition::ReadDone& done) {
  const kafka::Ticket ticket = kafka::Ticket::unpack(done.ticket);
  if (ticket.kind != kafka::TicketKind::kTailRead) return false;
  const auto route = by_number_.find(ticket.operation);
  if (route == by_number_.end()) return true;
  const auto found = exports_.find(route->second);
  if (found == exports_.end() || found->second.number != ticket.operation) return true;
  if (done.status) {
    found->second.work.take(done.batches, broker.effects);
  } else {
    found->second.work.give_up(done.status.error());
  }
  go_on(broker, found->first, found->second);
  return true;
}

void TailKeeper::step(kafka::Broker& broker, const port::DiskDone& done) {
  const auto route = by_number_.find(done.then.cookie);
  if (route == by_number_.end()) return;
  const auto found = exports_.find(route->second);
  if (found == exports_.end() || found->second.number != done.then.cookie) return;
  found->second.work.step(done, broker.effects);
  go_on(broker, found->first, found->second);
}

void TailKeeper::tick(kafka::Broker& broker) {
  std::vector<kafka::Route> to_look;
  for (auto& [route, one] : exports_) {
    if (one.look_at > broker.now.instant) continue;
    one.look_at = Instant::never();
    to_look.push_back(route);
  }
  for (const kafka::Route route : to_look) {
    if (const auto found = exports_.find(route); found != exports_.end()) {
      go_on(broker, route, found->second);
    }
  }
  struct Again {
    kafka::Route route;
    salvage::Tail tail;
    std::string complaint;
  };
  std::vector<Again> again;
  for (auto& [route, one] : exports_) {
    if (one.retry_at > broker.now.instant) continue;
    by_number_.erase(one.number);
    salvage::Tail tail = one.tail;
    // What retention has taken meanwhile cannot be kept, and need not.
    const kafka::HostedPartition* hosted = broker.partitions.find(route);
    if (hosted != nullptr) tail.from = std::max(tail.from, hosted->partition->log_start());
    again.push_back({route, std::move(tail), std::move(one.complaint)});
  }
  for (Again& one : again) begin(broker, one.route, one.tail, std::move(one.complaint));
}

Instant TailKeeper::next_deadline() const {
  Instant next = Instant::never();
  for (const auto& [route, one] : exports_) next = std::min({next, one.retry_at, one.look_at});
  return next;
}

}  // namespace magpie::node
