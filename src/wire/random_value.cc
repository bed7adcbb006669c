#include "wire/random_value.h"

namespace magpie::wire {
namespace {

// Spread over magnitudes, so that varints of every length and both signs occur.
int64_t spread(Random& random) {
  return static_cast<int64_t>(random.next()) >> random.below(64);
}

size_t length(Random& random) {
  return random.chance(1, 10) ? random.below(600) : random.below(9);
}

}  // namespace

void random_value(Random& random, bool& value) {
  value = random.chance(1, 2);
}

void random_value(Random& random, int8_t& value) {
  value = static_cast<int8_t>(spread(random));
}

void random_value(Random& random, int16_t& value) {
  value = static_cast<int16_t>(spread(random));
}

void random_value(Random& random, int32_t& value) {
  value = static_cast<int32_t>(spread(random));
}

void random_value(Random& random, int64_t& value) {
  value = spread(random);
}

void random_value(Random& random, ErrorCode& value) {
  value = static_cast<ErrorCode>(random.between(-1, 140));
}

void random_value(Random& random, Uuid& value) {
  value = Uuid::random(random);
}

void random_value(Random& random, std::string& value) {
  value.resize(length(random));
  for (char& c : value) c = static_cast<char>(random.between('a', 'z'));
}

void random_value(Random& random, Buffer& value) {
  std::string text;
  random_value(random, text);
  value = Buffer::copy_of(text);
}

void random_value(Random& random, BufferChain& value) {
  Buffer piece;
  random_value(random, piece);
  value.clear();
  if (!piece.empty()) value.push_back(piece);
}

void random_value(Random& random, std::vector<int32_t>& value) {
  value.resize(random.below(5));
  for (int32_t& element : value) random_value(random, element);
}

void random_value(Random& random, std::vector<std::string>& value) {
  value.resize(random.below(5));
  for (std::string& element : value) random_value(random, element);
}

}  // namespace magpie::wire
