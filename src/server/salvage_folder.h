// The tails that a node has kept (docs/formats/salvage.md), read from its data directory: their
// files never change, so the node may be running or gone.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "record/batch.h"
#include "salvage/classify.h"
#include "salvage/tail.h"

namespace magpie::server {

struct KeptTail {
  std::string name;  // of its folder
  salvage::Tail tail;
};

// Whole ones, by name. One that is being written is not there yet.
Result<std::vector<KeptTail>> list_tails(const std::string& data);
// kNotFound if there is no such tail.
Result<KeptTail> find_tail(const std::string& data, const std::string& name);

// Each batch of the tail with its fate, by the log that the partition has in `survivor`, which is
// the data directory of any node that follows or leads it now.
using OnTailBatch =
    std::function<void(const record::BatchHeader&, std::span<const std::byte>, salvage::Fate)>;
Status for_each_batch(const std::string& data, const KeptTail& kept, const std::string& survivor,
                      const OnTailBatch& on_batch);
// The same, counted.
Result<salvage::Classification> classify_tail(const std::string& data, const KeptTail& kept,
                                              const std::string& survivor);

// Removes the tail from the data directory, for good.
Status discard_tail(const std::string& data, const KeptTail& kept);

}  // namespace magpie::server
