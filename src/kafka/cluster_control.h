// How handlers read and change cluster state.
//
// A change is a decision against the state as it is when its turn comes, then a commit that may
// take a while and may have to decide again; only afterwards is the client answered. So a handler
// hands over both halves: `decide`, which may be called more than once, and `then`, called exactly
// once. Changes of one node are carried out one after the other, in the order they were proposed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <tl/expected.hpp>
#include <utility>

#include "control/decide_topic.h"
#include "control/refusal.h"
#include "control/state.h"
#include "kafka/broker.h"

namespace magpie::kafka {

class ClusterControl {
 public:
  using Decide =
      std::function<tl::expected<control::Transaction, control::Refusal>(const control::State&)>;
  using Then = std::function<void(Broker&, const std::optional<control::Refusal>&)>;

  virtual ~ClusterControl() = default;

  // What is committed. `then` of the proposal that made a change is called once it is also carried
  // out: new partitions are open (or known to be damaged), removed ones are gone.
  virtual const control::State& state() const = 0;
  virtual const control::Policy& policy() const = 0;

  // Limit: proposals waiting at once; beyond it `then` hears kThrottled at once.
  virtual void propose(Broker& broker, Decide decide, Then then) = 0;

  // For random choices that go into decisions (topic ids).
  virtual Random& random() = 0;

  // The next producer id, or nothing if none is at hand; then the ids are being fetched and the
  // client is to try again.
  virtual std::optional<ProducerId> next_producer_id(Broker& broker) = 0;
};

// propose() for decisions that have an answer of their own. `decide` maps a State to
// Decided<Answer>; `then` gets the broker and expected<Answer, Refusal>.
template <typename Answer, typename DecideAnswer, typename ThenAnswer>
void propose(Broker& broker, DecideAnswer decide, ThenAnswer then) {
  using Outcome = tl::expected<Answer, control::Refusal>;
  auto answer = std::make_shared<std::optional<Answer>>();
  broker.control.propose(
      broker,
      [decide = std::move(decide), answer](
          const control::State& state) -> tl::expected<control::Transaction, control::Refusal> {
        control::Decided<Answer> decided = decide(state);
        if (!decided) return tl::unexpected(std::move(decided.error()));
        *answer = std::move(decided->answer);
        return std::move(decided->transaction);
      },
      [then = std::move(then), answer](Broker& late, const std::optional<control::Refusal>& no) {
        if (no) return then(late, Outcome(tl::unexpected(*no)));
        then(late, Outcome(std::move(**answer)));
      });
}

}  // namespace magpie::kafka
