// Random field values, for tests only: short and long, empty and null, extreme and ordinary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/random.h"
#include "base/uuid.h"
#include "wire/error_code.h"

namespace magpie::wire {

void random_value(Random& random, bool& value);
void random_value(Random& random, int8_t& value);
void random_value(Random& random, int16_t& value);
void random_value(Random& random, int32_t& value);
void random_value(Random& random, int64_t& value);
void random_value(Random& random, ErrorCode& value);
void random_value(Random& random, Uuid& value);
void random_value(Random& random, std::string& value);
void random_value(Random& random, Buffer& value);
// One piece or none, which is what a decoder makes of any chain.
void random_value(Random& random, BufferChain& value);
void random_value(Random& random, std::vector<int32_t>& value);
void random_value(Random& random, std::vector<std::string>& value);

// Null now and then if the version allows it.
template <typename T>
void random_value(Random& random, bool may_be_null, std::optional<T>& value) {
  value.reset();
  if (may_be_null && random.chance(1, 3)) return;
  random_value(random, value.emplace());
}

}  // namespace magpie::wire
