#include "node/node_control.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::node {
namespace {

// The topic whose partitions come or go with this difference; empty if none do.
std::string touched_topic(const control::Difference& difference) {
  if (const auto* added = std::get_if<control::TopicAdded>(&difference)) return added->name;
  if (const auto* more = std::get_if<control::PartitionsAdded>(&difference)) return more->name;
  if (const auto* gone = std::get_if<control::TopicRemoved>(&difference)) return gone->topic.name;
  return {};
}

}  // namespace

NodeControl::NodeControl(control::ClusterController& controller, const TopicStorage& storage,
                         control::Policy policy, Random random)
    : controller_(controller), storage_(storage), policy_(std::move(policy)), random_(random) {}

void NodeControl::propose(kafka::Broker& broker, Decide decide, Then then) {
  const uint64_t ticket = next_ticket_++;
  proposed_.emplace_hint(proposed_.end(), ticket, std::move(then));
  control::ControllerOutput out{broker.effects, events_};
  controller_.propose(ticket, std::move(decide), out);
}

std::optional<ProducerId> NodeControl::next_producer_id(kafka::Broker& broker) {
  const std::optional<ProducerId> id = producer_ids_.allocate();
  prepare_producer_ids(broker);
  return id;
}

void NodeControl::prepare_producer_ids(kafka::Broker& broker) {
  if (!producer_ids_.take_request()) return;
  kafka::propose<control::ProducerIdBlock>(
      broker, [](const control::State& state) { return control::decide_producer_id_block(state); },
      [this](kafka::Broker&,
             const tl::expected<control::ProducerIdBlock, control::Refusal>& block) {
        if (block) {
          producer_ids_.add_block(*block);
        } else {
          producer_ids_.request_failed();
        }
      });
}

void NodeControl::applied(const control::Applied& applied) {
  touched_.clear();
  for (const control::Difference& difference : applied.differences) {
    std::string topic = touched_topic(difference);
    if (!topic.empty()) touched_.insert(std::move(topic));
  }
}

void NodeControl::settled(kafka::Broker& broker, const control::Settled& settled) {
  auto node = proposed_.extract(settled.ticket);
  CHECK(!node.empty());
  const std::set<std::string> topics = std::exchange(touched_, {});
  if (settled.refusal || topics.empty()) return node.mapped()(broker, settled.refusal);
  carrying_out_.push_back({std::move(node.mapped()), topics});
}

void NodeControl::check_carried_out(kafka::Broker& broker) {
  const auto still_busy = [&](const CarryingOut& one) {
    return std::any_of(one.topics.begin(), one.topics.end(),
                       [&](const std::string& topic) { return !storage_.settled(topic); });
  };
  const auto done = std::stable_partition(carrying_out_.begin(), carrying_out_.end(), still_busy);
  std::vector<CarryingOut> finished(std::make_move_iterator(done),
                                    std::make_move_iterator(carrying_out_.end()));
  carrying_out_.erase(done, carrying_out_.end());
  for (CarryingOut& one : finished) one.then(broker, std::nullopt);
}

}  // namespace magpie::node
