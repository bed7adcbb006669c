#include "sim/world.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "sim/administrator.h"
#include "sim/auditor.h"
#include "sim/client.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/group_ledger.h"
#include "sim/group_member.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/producer.h"
#include "sim/reader.h"
#include "sim/setup.h"
#include "sim/topics.h"

namespace magpie::sim {
namespace {

// How long clients may take once nothing hinders them.
constexpr Duration kHealLimit = Duration::seconds(180);
// After bytes were damaged they may never finish, and nobody waits for that.
constexpr Duration kDamagedLimit = Duration::seconds(20);

class World {
 public:
  explicit World(const RunOptions& options);

  RunResult run();

 private:
  void add_clients();
  void add_groups();
  void start_clients();
  // Runs until `done` or `limit` has passed or something is violated; true if done.
  template <typename Done>
  bool run_until(Duration limit, Done done);
  template <typename Done>
  void demand(Done done, const char* what);
  bool clients_done() const;
  void last_crash();
  std::string describe_clients() const;

  const uint64_t seed_;
  Scene scene_;
  const Knobs knobs_;
  Topics topics_;
  Disk disk_;
  Network network_;
  const Place here_;
  Host host_;
  const Bootstrap bootstrap_;
  Faults faults_;
  Setup setup_;
  std::vector<std::unique_ptr<GroupLedger>> groups_;
  std::vector<std::unique_ptr<Client>> clients_;

  Surroundings around() { return {scene_, knobs_, network_, topics_, bootstrap_, here_, &host_}; }
};

World::World(const RunOptions& options)
    : seed_(options.seed),
      scene_(options.seed),
      knobs_(options.knobs ? *options.knobs : draw_knobs(scene_.random)),
      topics_(scene_, knobs_),
      disk_(scene_, knobs_),
      network_(scene_, knobs_),
      here_(network_.paths().add_place("here")),
      host_(scene_, host_settings(knobs_, here_), disk_, network_, nullptr),
      bootstrap_(bootstrap_of(host_settings(knobs_, here_))),
      faults_(scene_, knobs_, disk_, network_, host_),
      setup_(around()) {
  scene_.trace.set_sink(options.sink);
  faults_.set_records_may_be_lost([this] {
    topics_.power_lost();
    for (auto& group : groups_) group->power_lost();
  });
  scene_.trace.say(scene_.now(), "knobs: " + knobs_.describe());
}

void World::add_clients() {
  for (int i = 0; i < knobs_.producers; ++i) {
    Producer::Settings settings;
    settings.number = i + 1;
    settings.idempotent = !knobs_.plain_producers || i % 2 == 0;
    settings.records = knobs_.records_per_producer;
    if (!settings.idempotent) settings.acks = static_cast<int16_t>(scene_.random.between(-1, 1));
    for (const auto& [key, ledger] : topics_.ledgers()) {
      if (scene_.random.chance(2, 3)) settings.partitions.push_back(key);
    }
    if (settings.partitions.empty())
      settings.partitions.push_back(topics_.ledgers().begin()->first);
    clients_.push_back(std::make_unique<Producer>(around(), std::move(settings)));
  }
  for (int i = 0; i < knobs_.readers; ++i) {
    clients_.push_back(std::make_unique<Reader>(around(), i + 1));
  }
  if (knobs_.administrator) clients_.push_back(std::make_unique<Administrator>(around()));
}

void World::add_groups() {
  const SimTopic& topic = topics_.list().front();
  for (int g = 0; g < knobs_.groups; ++g) {
    groups_.push_back(std::make_unique<GroupLedger>(scene_, fmt::format("group-{}", g)));
    GroupLedger& ledger = *groups_.back();
    for (int32_t p = 0; p < topic.partitions; ++p) {
      ledger.add_partition(p, topics_.ledger(topic.name, p));
    }
    for (int m = 0; m < knobs_.members_per_group; ++m) {
      GroupMember::Settings settings{g * 10 + m, ledger.name(), topic.name,
                                     scene_.random.chance(1, 4)};
      clients_.push_back(std::make_unique<GroupMember>(around(), ledger, std::move(settings)));
    }
  }
}

void World::start_clients() {
  for (auto& client : clients_) client->start();
}

template <typename Done>
bool World::run_until(Duration limit, Done done) {
  const Instant end = scene_.now() + limit;
  while (!scene_.violation && !done()) {
    if (scene_.now() > end) return false;
    if (!scene_.queue.run_one()) return false;
  }
  return true;
}

bool World::clients_done() const {
  for (const auto& client : clients_) {
    if (!client->is_done()) return false;
  }
  return true;
}

std::string World::describe_clients() const {
  std::string text;
  for (const auto& client : clients_) {
    if (!client->is_done()) text += "; " + client->describe();
  }
  return text;
}

template <typename Done>
void World::demand(Done done, const char* what) {
  const bool finished = run_until(scene_.damaged ? kDamagedLimit : kHealLimit, done);
  // A partition whose bytes were damaged on purpose stays closed.
  if (finished || scene_.violation || scene_.damaged) return;
  scene_.violate("liveness", fmt::format("{} did not finish in {} s without faults{}", what,
                                         kHealLimit.to_milliseconds() / 1'000, describe_clients()));
}

// What was claimed must survive even if the power fails right now.
void World::last_crash() {
  if (host_.is_up()) {
    const bool weak = knobs_.fsync != engine::FsyncPolicy::kAlways;
    host_.crash(weak ? Crash::kProcess : Crash::kPower);
  }
  host_.boot();
}

RunResult World::run() {
  add_clients();
  add_groups();
  host_.boot();
  faults_.start();
  setup_.start();
  bool started = false;
  run_until(knobs_.chaos, [&] {
    if (!started && setup_.is_done()) {
      started = true;
      start_clients();
    }
    return false;
  });
  faults_.heal();
  demand([&] { return setup_.is_done(); }, "creating topics");
  if (!started && setup_.is_done()) start_clients();
  demand([&] { return clients_done(); }, "clients");

  if (!scene_.violation) last_crash();
  Auditor auditor(around());
  if (setup_.is_done()) auditor.start();
  demand([&] { return auditor.is_done(); }, "the final reading");

  RunResult result;
  result.seed = seed_;
  result.violation = scene_.violation;
  result.hash = scene_.trace.hash();
  result.events = scene_.queue.events();
  result.virtual_time = scene_.now() - Instant{};
  for (const auto& [key, ledger] : topics_.ledgers()) {
    result.acknowledged += ledger->acknowledgements();
  }
  result.probes = scene_.probes;
  result.knobs = knobs_.describe();
  return result;
}

}  // namespace

RunResult run_seed(const RunOptions& options) {
  return World(options).run();
}

}  // namespace magpie::sim
