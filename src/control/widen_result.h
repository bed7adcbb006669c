// Lets a Result of one alternative be returned as a Result of the variant.
#pragma once

#include <utility>

#include "base/result.h"

namespace magpie::control {

template <typename Variant, typename T>
Result<Variant> widen_result(Result<T> result) {
  if (!result) return fail(result.error());
  return Variant(std::move(*result));
}

}  // namespace magpie::control
