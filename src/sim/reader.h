// A consumer without a group: reads every partition from the beginning, for ever, and checks that
// what it sees fits together. One with a rack reads from the node that the leader names for it, and
// asks the leader again when that node has trouble, as Kafka's clients do (KIP-392).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/client.h"
#include "sim/fetched.h"
#include "wire/fetch.h"

namespace magpie::sim {

class Reader : public Client {
 public:
  Reader(Surroundings around, int32_t number);

  void start() override { fetch(); }
  // It has seen everything up to the newest high watermark that anybody knows.
  bool is_done() const override;
  std::string describe() const override;

 private:
  struct Position {
    std::string topic;
    int32_t partition = 0;
    Ledger* ledger = nullptr;
    int64_t next = 0;
    int32_t near = -1;  // the node that the leader named for this reader's rack
  };
  // What was asked for in the fetch under way.
  struct Asked {
    size_t position = 0;
    int64_t wanted = 0;
    Known known;
  };

  // Whom it reads from.
  Session& source(const Position& position) {
    if (position.near >= 0) return brokers_.node(position.near);
    return brokers_.leader(position.topic, position.partition);
  }
  void fetch();
  void fetch_soon();
  void answered(int version, const std::optional<wire::FetchResponse>& response);
  void take(const Asked& asked, const wire::FetchResponsePartition& partition, bool whole);
  void out_of_range(const Asked& asked);
  void find_start(size_t position);

  Surroundings around_;
  int32_t number_;
  Random random_;
  Brokers brokers_;
  std::vector<Position> positions_;
  std::map<std::pair<std::string, int32_t>, Asked> asked_;
};

}  // namespace magpie::sim
