// A producer, as Kafka's clients are: up to five requests in flight, and if it is idempotent, every
// batch is sent again with its sequence number until the node says that it is stored.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/client.h"
#include "sim/ledger.h"
#include "wire/produce.h"

namespace magpie::sim {

// Whether an idempotent producer may take the error for success. A node that is alone remembers all
// that can be under way.
bool says_stored_long_ago(wire::ErrorCode error, bool alone);

class Producer : public Client {
 public:
  struct Settings {
    int32_t number = 0;
    bool idempotent = true;
    int16_t acks = -1;
    int records = 100;  // in all
    std::vector<std::pair<std::string, int32_t>> partitions;
  };

  Producer(Surroundings around, Settings settings);

  void start() override { pump(); }
  bool is_done() const override;
  std::string describe() const override;
  // So many records more.
  void send_more(int records);

 private:
  struct Batch {
    uint64_t serial = 0;
    int64_t first_number = 0;
    int32_t count = 0;
    int32_t base_sequence = -1;
    Buffer bytes;
    bool in_flight = false;
  };
  // What goes to one partition, in order.
  struct Lane {
    std::string topic;
    int32_t partition = 0;
    Ledger* ledger = nullptr;
    std::deque<Batch> batches;  // not acknowledged yet, in order
    int64_t next_number = 0;
    int32_t next_sequence = 0;
    int64_t last_offset = -1;  // of those that were acknowledged
    bool sends_again = false;  // something failed: wait for the rest, then send all again
  };

  void pump();
  void plan_pump(Duration delay);
  void get_producer_id();
  void make_batch(Lane& lane);
  void send_unsent(Lane& lane);
  void send(Lane& lane, Batch& batch);
  void answered(size_t lane, uint64_t serial, const std::optional<wire::ProduceResponse>& response);
  void refused(Lane& lane, const Batch& batch, wire::ErrorCode error, int64_t log_start);
  void stored(Lane& lane, const Batch& batch, int64_t base_offset);
  void stored_long_ago(Lane& lane, const Batch& batch);
  void check_readable(Lane& lane);
  void lose_patience(size_t lane, uint64_t serial);
  void begin_anew();
  int32_t identity() const { return settings_.number + 100 * lives_; }

  Surroundings around_;
  Settings settings_;
  Random random_;
  Brokers brokers_;
  std::vector<Lane> lanes_;
  bool pump_planned_ = false;
  int64_t producer_id_ = -1;
  int16_t producer_epoch_ = -1;
  bool asking_for_id_ = false;
  int32_t lives_ = 0;
  int left_;
  uint64_t next_serial_ = 1;
};

}  // namespace magpie::sim
