// One file of the simulated disk: what is written, what is safe, and what is in between.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/random.h"

namespace magpie::sim {

inline constexpr uint64_t kSectorBytes = 512;

class SimFile {
 public:
  void write(uint64_t position, std::string_view bytes);
  // What was written is safe now, except the sectors a failed sync has left (see fail_sync).
  void sync();
  // A sync that began a while ago, beside which writes went on: what was written when it began is
  // safe now, and of what was written since, nothing is.
  struct SyncBegun {
    uint64_t size = 0;
    std::map<uint64_t, std::string> sectors;
  };
  SyncBegun begin_sync() const;
  void sync(const SyncBegun& begun);
  // The kernel reports an error once and marks the pages clean: a later sync does not write them
  // (Rebello et al., ATC 2020). Until they are written again they exist in memory only.
  void fail_sync();
  // Durable at once.
  void truncate(uint64_t size);
  void replace(std::string content);
  // Damage that nobody asked for; durable.
  void flip_bit(uint64_t bit);
  void overwrite(uint64_t position, std::string_view bytes);

  // Power is lost. Each unsynced sector is there or not; the length is anything between.
  void lose_power(Random& random);

  const std::string& content() const { return content_; }
  const std::string& durable() const { return durable_; }
  uint64_t durable_size() const { return durable_.size(); }
  bool is_dirty() const { return !dirty_.empty() || content_.size() != durable_.size(); }
  bool name_is_durable() const { return name_durable_; }
  void set_name_durable() { name_durable_ = true; }

 private:
  void copy_to_durable(uint64_t sector);

  std::string content_;
  std::string durable_;
  std::set<uint64_t> dirty_;
  std::set<uint64_t> in_doubt_;
  bool name_durable_ = false;
};

}  // namespace magpie::sim
