// Reads every partition from its start to its end after everything else, and lets the ledgers
// judge.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/client.h"
#include "sim/fetched.h"
#include "wire/fetch.h"
#include "wire/list_offsets.h"

namespace magpie::sim {

class Auditor : public Client {
 public:
  explicit Auditor(Surroundings around);

  void start() override { next_step(); }
  bool is_done() const override { return current_ == partitions_.size(); }
  std::string describe() const override;

 private:
  struct Audited {
    std::string topic;
    int32_t partition = 0;
    Ledger* ledger = nullptr;
  };

  void next_step();
  void again();
  void ask_border(int64_t timestamp, std::optional<int64_t>& border);
  void read_on();
  void take(const wire::FetchResponsePartition& partition, const Known& known);

  Surroundings around_;
  Random random_;
  Brokers brokers_;
  std::vector<Audited> partitions_;
  size_t current_ = 0;
  Instant began_;  // with the current partition
  std::optional<int64_t> start_;
  std::optional<int64_t> end_;
  int64_t next_ = 0;
  std::map<int64_t, std::string> records_;
};

}  // namespace magpie::sim
