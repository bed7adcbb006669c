// Finding the borders of batches in stored bytes.
#pragma once

#include <cstdint>
#include <span>

#include "base/ids.h"
#include "record/batch.h"

namespace magpie::log {

struct BatchLook {
  enum class Kind {
    kWhole,    // `header` describes a whole batch that matches its checksum
    kShort,    // `needed` bytes from its start must be there to say more
    kDamaged,  // `damage` says what is wrong
  };
  Kind kind = Kind::kDamaged;
  record::BatchHeader header;
  uint64_t needed = 0;
  const char* damage = "";
};

// Looks at the batch that starts at `at`. A base offset below `lowest` is damage.
BatchLook look_at_batch(std::span<const std::byte> bytes, size_t at, Offset lowest);

}  // namespace magpie::log
