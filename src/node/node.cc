#include "node/node.h"

#include <utility>

#include "node/machines.h"

namespace magpie::node {

Node::Node(NodeConfig config, uint64_t seed)
    : machines_(std::make_unique<Machines>(std::move(config), seed)) {}

Node::~Node() = default;

void Node::start(const Now& now, port::Effects& effects) {
  machines_->start(now, effects);
}

void Node::step(const Now& now, port::Event event, port::Effects& effects) {
  machines_->step(now, std::move(event), effects);
}

void Node::tick(const Now& now, port::Effects& effects) {
  machines_->tick(now, effects);
}

Instant Node::next_deadline() const {
  return machines_->next_deadline();
}

Phase Node::phase() const {
  return machines_->phase();
}

const std::string& Node::failure() const {
  return machines_->failure();
}

size_t Node::damaged_partitions() const {
  return machines_->damaged_partitions();
}

}  // namespace magpie::node
