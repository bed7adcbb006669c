#include "wire/api_table.h"

#include <algorithm>

#include "base/check.h"

namespace magpie::wire {

const ApiInfo* find_api(int16_t key) {
  const std::span<const ApiInfo> table = api_table();
  const auto row = std::lower_bound(
      table.begin(), table.end(), key,
      [](const ApiInfo& info, int16_t wanted) { return static_cast<int16_t>(info.key) < wanted; });
  if (row == table.end() || static_cast<int16_t>(row->key) != key) return nullptr;
  return &*row;
}

const ApiInfo& api_info(ApiKey key) {
  const ApiInfo* info = find_api(static_cast<int16_t>(key));
  CHECK(info != nullptr);
  return *info;
}

const char* to_string(ApiKey key) {
  return api_info(key).name;
}

}  // namespace magpie::wire
