#include "sim/region_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "control/decide_groups.h"
#include "sim/auditor.h"
#include "sim/client.h"
#include "sim/cluster.h"
#include "sim/equal_copies.h"
#include "sim/group_ledger.h"
#include "sim/group_member.h"
#include "sim/leadership_watch.h"
#include "sim/log_watch.h"
#include "sim/operator.h"
#include "sim/producer.h"
#include "sim/promotable_watch.h"
#include "sim/reader.h"
#include "sim/region_administrator.h"
#include "sim/region_faults.h"
#include "sim/region_remover.h"
#include "sim/setup.h"
#include "sim/statement_watch.h"
#include "sim/topics.h"

namespace magpie::sim {
namespace {

// How long a cluster may take to come up, and everybody to finish once nothing hinders them.
constexpr Duration kStartLimit = Duration::seconds(60);
constexpr Duration kHealLimit = Duration::seconds(240);
// While only the control store is away: how long clients may take, and for how many records each.
constexpr Duration kStoreAwayLimit = Duration::seconds(90);
constexpr int kRecordsWithoutStore = 20;
// Nodes connect again at the latest after so long.
constexpr Duration kLinksComeBack = Duration::seconds(10);
// A record that was acknowledged on its way while a disk was lost proves nothing.
constexpr Duration kDiskLossExcuse = Duration::seconds(60);

class RegionWorld {
 public:
  explicit RegionWorld(const RegionRunOptions& options);

  RunResult run();

 private:
  Surroundings around(size_t region) {
    return {scene_,
            knobs_.common,
            cluster_.network(),
            topics_,
            cluster_.bootstrap(),
            cluster_.region(region).clients,
            nullptr,
            {}};
  }
  // Of a consumer, which may read what is in its region.
  Surroundings near(size_t region) {
    Surroundings surroundings = around(region);
    surroundings.rack = cluster_.region(region).name;
    return surroundings;
  }
  Surroundings somewhere() { return around(scene_.random.below(cluster_.size())); }
  void place_topics();
  void watch_everything();
  void make_groups();
  void add_clients();
  void add_consumers(int number);
  const SimTopic& topic_for_consumers();
  void acknowledged(const std::string& topic, int32_t partition, const Ledger::Kept& record);
  template <typename Done>
  bool run_until(Duration limit, Done done);
  template <typename Done>
  void demand(Duration limit, Done done, const char* what);
  bool all_registered() const;
  bool all_alive();
  bool clients_done() const;
  bool converged();
  bool same_temporaries(const control::State& state);
  void check_temporaries();
  std::string describe();
  void store_away();
  void last_crash();
  RunResult result();

  const uint64_t seed_;
  Scene scene_;
  const RegionKnobs knobs_;
  Topics topics_;
  Cluster cluster_;
  LogWatch logs_;
  LeadershipWatch leaderships_;
  RegionFaults faults_;
  PromotableWatch promotable_;
  StatementWatch statements_;
  Operator operator_;
  RegionRemover remover_;
  EqualCopies copies_;
  Setup setup_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Producer*> producers_;  // among them
  std::vector<std::unique_ptr<GroupLedger>> consumers_;
  RegionAdministrator* administrator_ = nullptr;  // among the clients
  std::set<LeaderEpoch> lossy_;                   // epochs that were opened with loss
  std::string waiting_for_;                       // what keeps the regions from being equal
  Instant last_look_;
};

RegionWorld::RegionWorld(const RegionRunOptions& options)
    : seed_(options.seed),
      scene_(options.seed),
      knobs_(options.knobs ? *options.knobs : draw_region_knobs(scene_.random)),
      topics_(scene_, knobs_.common),
      cluster_(scene_, knobs_),
      logs_(scene_),
      leaderships_(scene_, cluster_, topics_),
      faults_(scene_, knobs_, cluster_),
      promotable_(scene_, cluster_, topics_, logs_,
                  [this](const Uuid& incarnation) { return faults_.is_lost(incarnation); }),
      statements_(scene_, topics_),
      operator_(scene_, knobs_, cluster_),
      remover_(scene_, knobs_, cluster_),
      copies_(cluster_, topics_),
      setup_(somewhere()) {
  scene_.trace.set_sink(options.sink);
  scene_.trace.say(scene_.now(), "knobs: " + knobs_.describe());
  place_topics();
  watch_everything();
}

void RegionWorld::place_topics() {
  size_t next = 0;
  for (SimTopic& topic : topics_.list()) {
    topic.configs["magpie.failover.group"] = knobs_.groups[next++ % knobs_.groups.size()];
  }
}

void RegionWorld::watch_everything() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    SimRegion& region = cluster_.region(i);
    logs_.watch(region.host->id(), *region.disk, knobs_.is_weak(i));
  }
  faults_.set_disk_lost([this](NodeId node) {
    logs_.disk_lost(node);
    operator_.disk_lost(node);
  });
  faults_.set_end_lost([this] { logs_.end_lost(); });
  cluster_.store().set_observer([this](const store::ImageChanges& changes) {
    // A node whose copy is of the real store may write to an older one before it hears whose it is.
    // Nobody believes that answer, and the real one comes back without it.
    if (cluster_.store().is_rolled_back()) return;
    leaderships_.changed(changes);
    statements_.changed(fmt::format("magpie/{}/state/", Cluster::kId), changes);
  });
  leaderships_.set_hear([this](const std::string& group, const control::Leadership& term) {
    statements_.term(group, term);
    promotable_.changed(group, term);
    const bool lossy = term.opened_with == control::OpenedWith::kLossy;
    if (!lossy || !lossy_.insert(term.epoch).second) return;
    if (administrator_) administrator_->failed_over_with_loss(group);
    if (group != control::kSystemGroup) return;
    for (auto& consumers : consumers_) consumers->positions_lost();
  });
  logs_.set_hear([this](const std::string& partition, const LoggedBatch& batch) {
    const size_t dash = partition.rfind('-');
    int32_t index = 0;
    std::from_chars(partition.data() + dash + 1, partition.data() + partition.size(), index);
    leaderships_.written(partition.substr(0, dash), index, batch.last);
  });
  topics_.set_acknowledged(
      [this](const std::string& topic, int32_t partition, int64_t offset, uint32_t crc) {
        acknowledged(topic, partition, {offset, crc});
      });
}

// G1 as the disks show it: a group that blocks acknowledges nothing that is on one disk only.
void RegionWorld::acknowledged(const std::string& topic, int32_t partition,
                               const Ledger::Kept& record) {
  const std::string& group = topics_.find(topic).configs.at("magpie.failover.group");
  if (!logs_.watches(topic)) return;
  promotable_.acknowledged(topic, partition, record, leaderships_.term(group));
  if (group != "critical") return;
  const Instant lost = logs_.last_disk_loss();
  if (lost != Instant{} && scene_.now() < lost + kDiskLossExcuse) return;
  const auto [offset, crc] = record;
  const size_t holders = logs_.holders(fmt::format("{}-{}", topic, partition), offset, crc);
  if (holders >= 2) return;
  scene_.violate("G1", fmt::format("{}-{}: offset {} is acknowledged and safe on {} disks", topic,
                                   partition, offset, holders));
}

template <typename Done>
bool RegionWorld::run_until(Duration limit, Done done) {
  const Instant end = scene_.now() + limit;
  while (!scene_.violation && !done()) {
    if (scene_.now() > end) return false;
    if (!scene_.queue.run_one()) return false;
  }
  return true;
}

template <typename Done>
void RegionWorld::demand(Duration limit, Done done, const char* what) {
  if (scene_.violation) return;
  if (run_until(limit, done) || scene_.violation) return;
  scene_.violate("liveness", fmt::format("{} did not finish in {} s without faults{}", what,
                                         limit.to_milliseconds() / 1'000, describe()));
}

// --- beginning -----------------------------------------------------------------------------------

bool RegionWorld::all_alive() {
  const control::State state = cluster_.state();
  return std::all_of(
      cluster_.regions().begin(), cluster_.regions().end(),
      [&](const SimRegion& region) { return cluster_.is_alive(state, region.host->id()); });
}

bool RegionWorld::all_registered() const {
  return cluster_.state().nodes().size() == cluster_.size();
}

void RegionWorld::make_groups() {
  for (const std::string& name : knobs_.groups) {
    control::FailoverGroup group = *control::preset(name);
    group.name = name;
    group.timeout = Duration::seconds(3);
    // Only such a group lets its copies be read.
    if (knobs_.near_readers) group.consistency = control::Consistency::kPrefix;
    if (knobs_.bounded_loss && name == "bulk") group.max_lag_time = Duration::seconds(2);
    const auto refused = cluster_.store().commit(Cluster::kId, [&](const control::State& state) {
      auto decided = control::decide_create_group(state, group);
      using Made = tl::expected<control::Transaction, control::Refusal>;
      return decided ? Made(std::move(decided->transaction))
                     : Made(tl::unexpected<control::Refusal>(decided.error()));
    });
    if (refused) scene_.violate("metadata", "group " + name + ": " + refused->message);
  }
}

void RegionWorld::add_clients() {
  for (int i = 0; i < knobs_.common.producers; ++i) {
    Producer::Settings settings;
    settings.number = i + 1;
    settings.idempotent = !knobs_.common.plain_producers || i % 2 == 0;
    settings.records = knobs_.common.records_per_producer;
    if (!settings.idempotent) settings.acks = static_cast<int16_t>(scene_.random.between(-1, 1));
    for (const auto& [key, ledger] : topics_.ledgers()) {
      if (scene_.random.chance(2, 3)) settings.partitions.push_back(key);
    }
    if (settings.partitions.empty()) {
      settings.partitions.push_back(topics_.ledgers().begin()->first);
    }
    auto producer = std::make_unique<Producer>(somewhere(), std::move(settings));
    producers_.push_back(producer.get());
    clients_.push_back(std::move(producer));
  }
  for (int i = 0; i < knobs_.common.readers; ++i) {
    const size_t region = scene_.random.below(cluster_.size());
    const bool is_near = knobs_.near_readers && i % 2 == 0;
    clients_.push_back(std::make_unique<Reader>(is_near ? near(region) : around(region), i + 1));
  }
  for (int g = 0; g < knobs_.common.groups; ++g) add_consumers(g);
  if (!knobs_.common.administrator) return;
  auto administrator = std::make_unique<RegionAdministrator>(somewhere(), knobs_, cluster_);
  administrator_ = administrator.get();
  clients_.push_back(std::move(administrator));
}

void RegionWorld::add_consumers(int number) {
  const SimTopic& topic = topic_for_consumers();
  consumers_.push_back(std::make_unique<GroupLedger>(scene_, fmt::format("group-{}", number)));
  GroupLedger& ledger = *consumers_.back();
  for (int32_t p = 0; p < topic.partitions; ++p) {
    ledger.add_partition(p, topics_.ledger(topic.name, p));
  }
  for (int m = 0; m < knobs_.common.members_per_group; ++m) {
    GroupMember::Settings settings{number * 10 + m, ledger.name(), topic.name,
                                   scene_.random.chance(1, 4)};
    clients_.push_back(std::make_unique<GroupMember>(somewhere(), ledger, std::move(settings)));
  }
}

// Where losses are frequent, positions are to point to what was lost.
const SimTopic& RegionWorld::topic_for_consumers() {
  const auto is_lossy = [](const SimTopic& topic) {
    return topic.name.starts_with("plain") && topic.configs.at("magpie.failover.group") == "bulk";
  };
  const std::vector<SimTopic>& list = topics_.list();
  const auto found = std::find_if(list.begin(), list.end(), is_lossy);
  return knobs_.lossy_failovers && found != list.end() ? *found : list.front();
}

// --- the end -------------------------------------------------------------------------------------

bool RegionWorld::clients_done() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->is_done(); });
}

// Every group has a leader with all its copies, and all regions hold the same.
bool RegionWorld::converged() {
  if (scene_.now() < last_look_ + Duration::milliseconds(500)) return false;
  last_look_ = scene_.now();
  const control::State state = cluster_.state();
  if (!Requester::all_over(state)) {
    waiting_for_ = "an operation is not over: " + Requester::describe(state);
    return false;
  }
  for (const auto& [name, group] : state.groups()) {
    const control::Leadership& term = state.leadership(name);
    if (!term.exists()) continue;
    const auto copies = static_cast<size_t>(control::wanted_copies(group, state.regions()));
    if (term.open && term.sync.size() >= copies && cluster_.is_alive(state, term.leader.node)) {
      continue;
    }
    waiting_for_ =
        fmt::format("group {} has {} of {} copies and its epoch {} is {}", name, term.sync.size(),
                    copies, term.epoch.value, term.open ? "open" : "not open");
    return false;
  }
  if (copies_.hold() && same_temporaries(state)) return true;
  waiting_for_ = copies_.why();
  return false;
}

bool RegionWorld::same_temporaries(const control::State& state) {
  if (!administrator_) return true;
  return std::all_of(state.topics().begin(), state.topics().end(), [&](const auto& entry) {
    const control::Topic& topic = entry.second;
    if (!topic.name.starts_with(RegionAdministrator::kPrefix)) return true;
    return copies_.hold(topic.name + "-0", administrator_->trim_asked(topic.id));
  });
}

void RegionWorld::check_temporaries() {
  if (!administrator_) return;
  administrator_->look();
  for (const auto& [name, topic] : cluster_.state().topics()) {
    if (scene_.violation || !topic.name.starts_with(RegionAdministrator::kPrefix)) continue;
    administrator_->check(topic.name, topic.id, copies_.records(topic.name + "-0"));
  }
}

std::string RegionWorld::describe() {
  std::string text;
  for (const auto& client : clients_) {
    if (!client->is_done()) text += "; " + client->describe();
  }
  return waiting_for_.empty() ? text : text + "; " + waiting_for_;
}

// G13: who loses only the control store stops nothing but failovers.
void RegionWorld::store_away() {
  // A failover with loss that was begun has taken the promises of the sites; once it is over, the
  // leader takes a new epoch. What was asked for last may arrive only now.
  for (int i = 0; i < 2; ++i) {
    demand(
        kHealLimit, [&] { return all_alive() && Requester::all_over(cluster_.state()); },
        "nodes that get their leases, and operations that were begun,");
    run_until(kLinksComeBack, [] { return false; });
  }
  // A node may have begun to hand a group over by itself (seed 901155).
  demand(
      kHealLimit, [&] { return all_alive() && converged(); },
      "regions from which only the store is to go");
  for (size_t i = 0; i < cluster_.store().sites(); ++i) cluster_.store().set_site_up(i, false);
  run_until(Duration::seconds(knobs_.lease_seconds + 1), [] { return false; });
  scene_.probe("only_store_away");
  for (Producer* producer : producers_) producer->send_more(kRecordsWithoutStore);
  demand(
      kStoreAwayLimit, [&] { return clients_done(); }, "clients, while only the store is away,");
  for (size_t i = 0; i < cluster_.store().sites(); ++i) cluster_.store().set_site_up(i, true);
  demand(
      kHealLimit, [&] { return clients_done() && converged(); },
      "regions that have the store back");
}

// All at once: where the power would take what is nowhere else, the processes end.
void RegionWorld::last_crash() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    Host& host = *cluster_.region(i).host;
    if (host.is_up()) host.crash(knobs_.is_weak(i) ? Crash::kProcess : Crash::kPower);
  }
  cluster_.boot_all();
}

RunResult RegionWorld::run() {
  cluster_.store().start();
  cluster_.boot_all();
  demand(
      kStartLimit, [&] { return all_registered(); }, "registering");
  if (!scene_.violation) make_groups();
  setup_.start();
  demand(
      kStartLimit, [&] { return setup_.is_done(); }, "creating topics");
  if (!scene_.violation) {
    add_clients();
    for (auto& client : clients_) client->start();
    faults_.start();
    operator_.start();
    remover_.start();
    run_until(knobs_.common.chaos, [] { return false; });
    faults_.heal();
  }
  operator_.settle();
  demand(
      kHealLimit, [&] { return clients_done() && converged(); }, "clients and regions");
  if (!scene_.violation && knobs_.store_away) store_away();
  if (!scene_.violation) last_crash();
  demand(
      kHealLimit, [&] { return converged(); }, "regions after the last power loss");
  Auditor auditor(around(0));
  if (!scene_.violation) auditor.start();
  demand(
      kHealLimit, [&] { return auditor.is_done(); }, "the final reading");
  if (!scene_.violation) statements_.check();
  if (!scene_.violation) check_temporaries();
  for (auto& consumers : consumers_) {
    if (!scene_.violation) consumers->check_clamped();
  }
  return result();
}

RunResult RegionWorld::result() {
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

RunResult run_region_seed(const RegionRunOptions& options) {
  return RegionWorld(options).run();
}

}  // namespace magpie::sim
