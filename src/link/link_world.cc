#include "link/link_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "record/builder.h"

namespace magpie::link {
namespace {

class SteppedEngine : public engine::MemoryEngine {
 public:
  using MemoryEngine::MemoryEngine;
  void step(const Now& now, const port::DiskDone& done, engine::Output& out) override {
    if (!done.status) return fail_writes(done.status.error(), true, out);
    settle(out);
    if (reads.empty()) return;
    const engine::Read oldest = reads.front();
    reads.pop_front();
    if (damaged) {
      engine::ReadDone failed{.ticket = oldest.ticket, .status = {}, .batches = {}};
      failed.status = fail(ErrorKind::kCorrupt, "damaged");
      out.events.emplace_back(std::move(failed));
      return;
    }
    out.events.emplace_back(
        engine::ReadDone{oldest.ticket, {}, *MemoryEngine::read(now, oldest, out)});
  }
  std::optional<BufferChain> read(const Now& now, const engine::Read& read,
                                  engine::Output& out) override {
    if (!cold) return MemoryEngine::read(now, read, out);
    reads.push_back(read);
    return std::nullopt;
  }

  bool cold = false;
  bool damaged = false;
  std::deque<engine::Read> reads;
};

}  // namespace

struct WorldNode::Hosted {
  engine::MemoryImage image;
  SteppedEngine* engine = nullptr;
  std::unique_ptr<partition::Partition> partition;
};

WorldNode::WorldNode(int32_t id) {
  identity.cluster_id = "world";
  identity.node = NodeId{id};
  for (Route route = 1; route <= kPartitions; ++route) {
    hosted_.push_back(std::make_unique<Hosted>());
    open(route, engine::OpenMode::kCreate);
  }
}

void WorldNode::open(Route route, engine::OpenMode mode) {
  static partition::CompactionSlot slot;
  Hosted& hosted = *hosted_[route - 1];
  hosted.partition.reset();
  auto engine = std::make_unique<SteppedEngine>(hosted.image);
  hosted.engine = engine.get();
  hosted.partition = std::make_unique<partition::Partition>(
      "t-" + std::to_string(route - 1), partition::PartitionConfig{}, std::move(engine), slot);
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.open(now, mode, kNoLeaderEpoch, out);
  });
}

void WorldNode::crash() {
  events_.clear();
  for (Route route = 1; route <= kPartitions; ++route) {
    receiver.unfollow(route);
    open(route, engine::OpenMode::kExisting);
  }
}

WorldNode::~WorldNode() = default;

std::optional<Route> WorldNode::find(const Uuid& topic, PartitionIndex index) const {
  if (topic != kTopic) return std::nullopt;
  return static_cast<Route>(index.value + 1);
}

partition::Partition* WorldNode::at(Route route) {
  return hosted_[route - 1]->partition.get();
}

Condition WorldNode::condition(Route route) const {
  const auto known = conditions.find(route);
  return known == conditions.end() ? Condition::kWell : known->second;
}

void WorldNode::call(Route route, port::Effects& into, const Action& action) {
  std::vector<partition::Event> said;
  partition::Output out{into, said};
  action(*at(route), out);
  for (partition::Event& event : said) events_.emplace_back(route, std::move(event));
}

void WorldNode::lead(int32_t epoch, const std::vector<NodeId>& required) {
  for (Route route = 1; route <= kPartitions; ++route) {
    receiver.unfollow(route);
    call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
      partition.lead(now, {LeaderEpoch{epoch}, Offset{}, false}, out);
      partition.require(now, required, out);
    });
  }
}

void WorldNode::follow(int32_t epoch, NodeId) {
  for (Route route = 1; route <= kPartitions; ++route) {
    if (sender) sender->stopped(route, effects);
    follow_epoch(route, epoch);
  }
}

void WorldNode::begin_epoch(Route route, int32_t epoch) {
  if (sender) sender->stopped(route, effects);
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.lead(now, {LeaderEpoch{epoch}, Offset{}, false}, out);
    partition.require(now, {}, out);
  });
}

void WorldNode::follow_epoch(Route route, int32_t epoch) {
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.follow(now, LeaderEpoch{epoch}, out);
  });
  Followed followed{
      route, kTopic, {static_cast<int32_t>(route - 1)}, "default", LeaderEpoch{epoch}};
  if (const auto own = priorities.find(route); own != priorities.end()) {
    followed.group = "group-" + std::to_string(route);
    followed.priority = own->second;
  }
  receiver.follow(followed);
}

void WorldNode::append(Route route, uint64_t ticket, size_t bytes, int records) {
  record::BatchBuilder builder;
  std::string value = std::to_string(ticket);
  value.resize(std::max(value.size(), bytes), ' ');
  for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = value});
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.append(now, ticket, builder.build(), out);
  });
}

void WorldNode::trim(Route route, int64_t start) {
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.trim(now, Offset{start}, out);
  });
}

void WorldNode::hold(Route route) {
  hosted_[route - 1]->engine->hold();
}

void WorldNode::settle(Route route) {
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.step(now, {}, out);
  });
}

void WorldNode::fail_writes(Route route) {
  call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
    partition.step(now, {.status = fail(ErrorKind::kNoSpace, "full")}, out);
  });
}

void WorldNode::tick() {
  for (Route route = 1; route <= kPartitions; ++route) {
    call(route, effects, [&](partition::Partition& partition, partition::Output& out) {
      partition.tick(now, out);
    });
  }
}

void WorldNode::read_from_disk(Route route) {
  hosted_[route - 1]->engine->cold = true;
}

void WorldNode::damage(Route route) {
  hosted_[route - 1]->engine->cold = hosted_[route - 1]->engine->damaged = true;
}

void WorldNode::hear(Route route, const partition::Event& event) {
  if (const auto* answer = std::get_if<partition::Settled>(&event)) {
    settled.emplace_back(route, *answer);
  } else if (std::holds_alternative<partition::LogMoved>(event) ||
             std::holds_alternative<partition::HighWatermarkMoved>(event)) {
    if (sender) sender->moved(route);
    receiver.moved(route);
  } else if (std::holds_alternative<partition::CutDone>(event) ||
             std::holds_alternative<partition::BegunAnew>(event)) {
    receiver.cut_done(route);
  } else if (std::holds_alternative<partition::Damaged>(event)) {
    damaged.push_back(route);
  } else if (const auto* read = std::get_if<partition::ReadDone>(&event)) {
    if (sender) sender->read_done(now, read->ticket, *read, effects);
  }
}

void WorldNode::turn() {
  while (!events_.empty()) {
    const auto [route, event] = std::move(events_.front());
    events_.pop_front();
    hear(route, event);
  }
  const std::vector<ReceiverEvent> said = std::exchange(receiver.events(), {});
  for (const ReceiverEvent& event : said) {
    if (const auto* differs = std::get_if<TailDiffers>(&event)) {
      records_exported += static_cast<uint64_t>(differs->to - differs->from);
      if (holds_exports) continue;
      receiver.tail_exported(now, differs->route, effects);
    } else if (const auto* unread = std::get_if<CopyUnreadable>(&event)) {
      unreadable.push_back(unread->route);
    } else if (const auto* outdated = std::get_if<CopyOutdated>(&event)) {
      records_skipped += std::max<int64_t>(outdated->at - outdated->end, 0);
      receiver.begin_anew(now, outdated->route, effects);
    }
  }
  if (sender && session->is_established()) sender->flush(now, effects);
  receiver.flush(now, effects);
}

// --- the world -----------------------------------------------------------------------------------

void LinkWorld::connect() {
  cut();
  connected_ = true;
  one.session = std::make_unique<Session>(one.identity, port::ConnectionId{1}, "", std::nullopt);
  two.session = std::make_unique<Session>(two.identity, port::ConnectionId{2}, "", one.id());
  for (WorldNode* node : {&one, &two}) {
    node->sender = std::make_unique<Sender>(*node, *node->session, 0);
    node->receiver.use(node->session.get());
    node->session->start(node->now, node->effects);
  }
}

void LinkWorld::cut() {
  collect();
  to_one_.clear();
  to_two_.clear();
  connected_ = false;
  for (WorldNode* node : {&one, &two}) {
    node->receiver.use(nullptr);
    node->sender.reset();
  }
}

void LinkWorld::collect() {
  for (WorldNode* node : {&one, &two}) {
    for (const port::Effect& effect : node->effects.list()) {
      const auto* send = std::get_if<port::Send>(&effect);
      if (send == nullptr) continue;
      const Buffer frame = flatten(send->bytes);
      (node == &one ? to_two_ : to_one_).push_back(frame.slice(4, frame.size() - 4));
    }
    node->effects.clear();
  }
}

bool LinkWorld::deliver(bool to_one) {
  collect();
  std::deque<Buffer>& queue = to_one ? to_one_ : to_two_;
  if (!connected_ || queue.empty()) return false;
  WorldNode& node = to_one ? one : two;
  const Buffer frame = Buffer::copy_of(queue.front().bytes());
  queue.pop_front();
  auto received = node.session->receive(node.now, frame, node.effects);
  EXPECT_TRUE(received) << received.error().message;
  if (!received || !*received) return true;
  const auto visitor = [&](auto& message) {
    using T = std::decay_t<decltype(message)>;
    if constexpr (requires { node.sender->on(node.now, message, node.effects); }) {
      node.sender->on(node.now, message, node.effects);
    } else if constexpr (std::is_same_v<T, wire::LinkEnd>) {
      node.receiver.on(node.now, message);
    } else if constexpr (requires { node.receiver.on(node.now, message, node.effects); }) {
      node.receiver.on(node.now, message, node.effects);
    }
  };
  std::visit(visitor, **received);
  return true;
}

void LinkWorld::turn() {
  one.turn();
  two.turn();
}

void LinkWorld::settle() {
  for (int idle = 0; idle < 3;) {
    turn();
    const bool moved = deliver(true) || deliver(false);
    idle = moved ? 0 : idle + 1;
  }
}

void LinkWorld::advance(Duration time) {
  for (WorldNode* node : {&one, &two}) node->now.instant = node->now.instant + time;
}

void expect_equal(LinkWorld& world) {
  for (Route route = 1; route <= kPartitions; ++route) {
    EXPECT_EQ(world.one.at(route)->copy_state(), world.two.at(route)->copy_state());
    EXPECT_EQ(world.one.at(route)->high_watermark(), world.two.at(route)->high_watermark());
  }
}

}  // namespace magpie::link
