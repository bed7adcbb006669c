// A queue in one block of memory that is allocated on first use. (std::deque allocates half a
// kilobyte even when empty, and a node holds thousands of idle partitions.)
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

namespace magpie::log {

template <typename T>
class Ring {
 public:
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }

  T& operator[](size_t i) { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  const T& operator[](size_t i) const { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  const T& back() const { return (*this)[count_ - 1]; }

  void push_back(T value) {
    if (count_ == slots_.size()) grow();
    (*this)[count_++] = std::move(value);
  }
  void pop_front() {
    CHECK(count_ > 0);
    front() = T();
    first_ = (first_ + 1) & (slots_.size() - 1);
    --count_;
  }
  void pop_back() {
    CHECK(count_ > 0);
    (*this)[--count_] = T();
  }
  // Empties it and gives its memory back.
  void clear() { *this = Ring(); }

 private:
  void grow() {
    std::vector<T> larger(slots_.empty() ? 8 : slots_.size() * 2);
    for (size_t i = 0; i < count_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;  // a power of two, or empty
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace magpie::log
