// Creates the topics of a run, as often as it takes, and learns their ids.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "sim/client.h"
#include "wire/metadata.h"

namespace magpie::sim {

class Setup : public Client {
 public:
  explicit Setup(Surroundings around);

  void start() override { create(); }
  bool is_done() const override { return done_; }
  std::string describe() const override { return "setup: topics are not there"; }

 private:
  void create();
  void look();
  void again(bool created);
  bool take(const wire::MetadataResponse& response);

  Surroundings around_;
  Random random_;
  Brokers brokers_;
  bool done_ = false;
};

}  // namespace magpie::sim
