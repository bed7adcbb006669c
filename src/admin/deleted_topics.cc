#include "admin/deleted_topics.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "admin/response.h"
#include "control/deleted_topic.h"
#include "kafka/cluster_control.h"

namespace magpie::admin {
namespace {

using control::DeletedTopic;
using nlohmann::json;
using Outcome = tl::expected<DeletedTopic, control::Refusal>;

json deleted_json(const DeletedTopic& deleted) {
  return {{"name", deleted.topic.name},
          {"id", to_string(deleted.topic.id)},
          {"partitions", deleted.topic.partition_count()},
          {"bytes", deleted.bytes},
          {"deleted_at_ms", deleted.deleted_at.millis},
          {"kept_until_ms", deleted.kept_until.millis},
          {"restoring", !deleted.restored.empty()},
          {"problem", deleted.problem.empty() ? json(nullptr) : json(deleted.problem)}};
}

// The message says what stands in the way and what to do about it.
Problem problem_here(const control::Refusal& refusal) {
  Problem problem = problem_of(refusal);
  if (problem.status == 404 || problem.code == "invalid_request") {
    problem.next_step = "list the deleted topics with: magpie topic list --deleted";
  } else if (problem.status == 409) {
    problem.next_step = "look at the topic that has the name now: magpie topic describe";
  }
  return problem;
}

struct PurgeAll {
  port::HttpExchangeId exchange;
  std::vector<std::string> left;
  json purged;
};

void purge_next(kafka::Broker& broker, const std::shared_ptr<PurgeAll>& all) {
  if (all->left.empty()) {
    broker.effects.add(json_response(all->exchange, 200, {{"purged", all->purged}}));
    return;
  }
  const std::string which = std::exchange(all->left.back(), {});
  all->left.pop_back();
  kafka::propose<DeletedTopic>(
      broker,
      [which](const control::State& state) { return control::decide_purge_topic(state, which); },
      [all](kafka::Broker& late, const Outcome& purged) {
        // Gone already, or restored meanwhile.
        const bool is_other =
            !purged && purged.error().code == control::RefusalCode::kUnknownTopicOrPartition;
        if (!purged && !is_other) {
          late.effects.add(problem_response(all->exchange, problem_here(purged.error())));
          return;
        }
        if (purged) all->purged.push_back(deleted_json(*purged));
        purge_next(late, all);
      });
}

}  // namespace

json list_deleted_topics(const control::State& state) {
  std::vector<DeletedTopic> all;
  for (auto& [id, deleted] : control::deleted_topics(state)) all.push_back(deleted);
  std::stable_sort(all.begin(), all.end(), [](const DeletedTopic& one, const DeletedTopic& other) {
    return one.kept_until < other.kept_until;
  });
  json topics = json::array();
  for (const DeletedTopic& deleted : all) topics.push_back(deleted_json(deleted));
  return {{"deleted_topics", std::move(topics)}};
}

void restore_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& which) {
  kafka::propose<DeletedTopic>(
      broker,
      [which, &control = broker.control](const control::State& state) {
        return control::decide_restore_topic(state, control.policy(), which);
      },
      [exchange](kafka::Broker& late, const Outcome& restored) {
        if (!restored) {
          late.effects.add(problem_response(exchange, problem_here(restored.error())));
          return;
        }
        json answer = deleted_json(*restored);
        answer["restored"] = true;
        late.effects.add(json_response(exchange, 200, answer));
      });
}

void purge_topic(kafka::Broker& broker, port::HttpExchangeId exchange, const std::string& which) {
  kafka::propose<DeletedTopic>(
      broker,
      [which](const control::State& state) { return control::decide_purge_topic(state, which); },
      [exchange](kafka::Broker& late, const Outcome& purged) {
        if (!purged) {
          late.effects.add(problem_response(exchange, problem_here(purged.error())));
          return;
        }
        json answer = deleted_json(*purged);
        answer["purged"] = true;
        late.effects.add(json_response(exchange, 200, answer));
      });
}

void purge_topics(kafka::Broker& broker, port::HttpExchangeId exchange) {
  auto all = std::make_shared<PurgeAll>(PurgeAll{exchange, {}, json::array()});
  for (const auto& [name, ids] : control::deleted_by_name(broker.control.state())) {
    for (const Uuid& id : ids) all->left.push_back(to_string(id));
  }
  purge_next(broker, all);
}

}  // namespace magpie::admin
