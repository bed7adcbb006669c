// What the tests of this folder share: a policy, decided transactions at random, and a disk in
// memory that carries out effects.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "control/counters.h"
#include "control/created_partitions.h"
#include "control/decide_configs.h"
#include "control/decide_topic.h"
#include "control/policy.h"
#include "control/state.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::control::testing {

inline Policy one_node() {
  Policy policy;
  policy.nodes = {NodeId{1}};
  return policy;
}

inline Topic topic(std::string name, uint8_t id, std::vector<int32_t> nodes) {
  Topic made{std::move(name), {}, {}};
  made.id.bytes.fill(id);
  for (const int32_t node : nodes) made.placement.push_back(NodeId{node});
  return made;
}

// A term in which node 1 leads alone.
inline Leadership alone(int32_t epoch) {
  Leadership leadership;
  leadership.epoch = LeaderEpoch{epoch};
  leadership.leader = {NodeId{1}, {{1}}};
  leadership.open = true;
  leadership.promotable = {leadership.leader};
  leadership.state = ReplicationState::kSync;
  return leadership;
}

template <typename Answer>
Transaction transaction_of(const Decided<Answer>& decided) {
  return decided ? decided->transaction : Transaction{};
}

// A request of any kind, as decided against `state`; empty if it was refused or changes nothing.
inline Transaction random_transaction(const State& state, const Policy& policy, Random& random) {
  const std::string name = "topic-" + std::to_string(random.below(6));
  switch (random.below(7)) {
    case 0: {
      CreateTopic request;
      request.name = name;
      request.partitions = static_cast<int32_t>(random.between(1, 4));
      if (random.chance(1, 2)) request.configs = {{"retention.ms", "1000"}};
      return transaction_of(decide_create_topic(state, policy, request, random));
    }
    case 1:
      return transaction_of(decide_delete_topic(state, {name, std::nullopt}));
    case 2:
      return transaction_of(decide_create_partitions(
          state, policy, {name, static_cast<int32_t>(random.between(2, 9)), {}, false, false}));
    case 3: {
      const std::string value = std::to_string(random.between(1, 1'000'000));
      return transaction_of(decide_alter_configs(
          state, policy,
          {name, {{random.chance(1, 2) ? "segment.ms" : "flush.ms", value}}, false}));
    }
    case 4:
      return transaction_of(decide_producer_id_block(state));
    case 5:
      return transaction_of(decide_leadership(state, {NodeId{1}, {{1}}}, {}));
    default: {
      const Topic* found = state.find_topic(name);
      if (found == nullptr) return {};
      return transaction_of(
          decide_mark_created(state, {NodeId{1}}, found->id, found->partition_count()));
    }
  }
}

// A state after `steps` random requests, and each transaction that led to it.
inline std::pair<State, std::vector<Transaction>> random_history(uint64_t seed, int steps) {
  Random random(seed);
  State state;
  std::vector<Transaction> history;
  for (int i = 0; i < steps; ++i) {
    Transaction transaction = random_transaction(state, one_node(), random);
    if (transaction.empty()) continue;
    EXPECT_TRUE(state.allows(transaction));
    EXPECT_TRUE(state.apply(state.revision() + 1, transaction.changes));
    history.push_back(std::move(transaction));
  }
  return {std::move(state), std::move(history)};
}

// Files by path. Effects are carried out at once, unless the disk is told to refuse writes.
class MemoryDisk {
 public:
  std::map<std::string, std::string> files;
  std::vector<std::string> folders;  // shown in the listing of the root
  std::optional<Error> write_error;
  int writes = 0;
  std::vector<port::LogLine> log;

  static port::FileRef file(std::string_view path) {
    return std::make_shared<port::FileName>(port::FileName{port::FileId{1}, std::string(path)});
  }

  // Carries out the effects, and returns the completions.
  std::vector<port::DiskDone> run(port::Effects& effects) {
    std::vector<port::DiskDone> completions;
    for (port::Effect& effect : effects.list()) {
      std::visit([&](auto& each) { carry_out(each, completions); }, effect);
    }
    effects.clear();
    return completions;
  }

  // The machine stops with these effects under way: of each write, any part may have reached the
  // disk; a replacement has happened or not.
  void crash(port::Effects& effects, Random& random) {
    for (const port::Effect& effect : effects.list()) {
      if (const auto* write = std::get_if<port::WriteFile>(&effect)) {
        const Buffer bytes = flatten(write->bytes);
        files[write->file->path] += bytes.text().substr(0, random.below(bytes.size() + 1));
      } else if (const auto* replace = std::get_if<port::ReplaceFile>(&effect)) {
        if (random.chance(1, 2)) files[replace->file->path] = flatten(replace->bytes).text();
      }
    }
    effects.clear();
  }

 private:
  Status write_status() {
    ++writes;
    if (write_error) return fail(*write_error);
    return {};
  }

  void carry_out(port::WriteFile& write, std::vector<port::DiskDone>& completions) {
    EXPECT_TRUE(write.sync);
    const Status status = write_status();
    if (status) {
      std::string& content = files[write.file->path];
      EXPECT_EQ(content.size(), write.position) << "writes go to the end";
      content.resize(write.position);
      content += flatten(write.bytes).text();
    }
    completions.push_back({write.then, status, {}, {}});
  }
  void carry_out(port::ReplaceFile& replace, std::vector<port::DiskDone>& completions) {
    const Status status = write_status();
    if (status) files[replace.file->path] = flatten(replace.bytes).text();
    completions.push_back({replace.then, status, {}, {}});
  }
  void carry_out(port::ReadFile& read, std::vector<port::DiskDone>& completions) {
    const std::string& content = files.at(read.file->path);
    completions.push_back(
        {read.then, {}, Buffer::copy_of(content.substr(read.position, read.length)), {}});
  }
  void carry_out(port::ListFolder& list, std::vector<port::DiskDone>& completions) {
    port::DiskDone done{list.then, {}, {}, {}};
    const std::string prefix = list.path.empty() ? "" : list.path + "/";
    for (const auto& [path, content] : files) {
      if (!path.starts_with(prefix)) continue;
      const std::string name = path.substr(prefix.size());
      if (name.find('/') == std::string::npos) {
        done.listing.push_back({name, false, content.size()});
      }
    }
    for (const std::string& folder : folders) {
      if (list.path.empty()) done.listing.push_back({folder, true, 0});
    }
    completions.push_back(std::move(done));
  }
  void carry_out(port::LogLine& line, std::vector<port::DiskDone>&) { log.push_back(line); }
  template <typename Other>
  void carry_out(Other&, std::vector<port::DiskDone>&) {
    ADD_FAILURE() << "an effect the controller has no use for";
  }
};

}  // namespace magpie::control::testing
