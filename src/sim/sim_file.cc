#include "sim/sim_file.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::sim {

void SimFile::write(uint64_t position, std::string_view bytes) {
  if (bytes.empty()) return;
  if (content_.size() < position + bytes.size()) content_.resize(position + bytes.size());
  content_.replace(position, bytes.size(), bytes);
  for (uint64_t s = position / kSectorBytes; s * kSectorBytes < position + bytes.size(); ++s) {
    dirty_.insert(s);
    in_doubt_.erase(s);
  }
}

void SimFile::copy_to_durable(uint64_t sector) {
  const uint64_t begin = sector * kSectorBytes;
  if (begin >= content_.size()) return;
  const uint64_t length = std::min(kSectorBytes, content_.size() - begin);
  if (durable_.size() < begin + length) durable_.resize(begin + length);
  durable_.replace(begin, length, content_, begin, length);
}

void SimFile::sync() {
  if (durable_.size() < content_.size()) durable_.resize(content_.size());
  for (const uint64_t sector : dirty_) {
    if (!in_doubt_.contains(sector)) copy_to_durable(sector);
  }
  dirty_ = in_doubt_;
  name_durable_ = true;
}

SimFile::SyncBegun SimFile::begin_sync() const {
  SyncBegun begun{content_.size(), {}};
  for (const uint64_t sector : dirty_) {
    const uint64_t begin = sector * kSectorBytes;
    if (in_doubt_.contains(sector) || begin >= content_.size()) continue;
    begun.sectors.emplace(sector, content_.substr(begin, kSectorBytes));
  }
  return begun;
}

void SimFile::sync(const SyncBegun& begun) {
  if (durable_.size() < begun.size) durable_.resize(begun.size);
  for (const auto& [sector, bytes] : begun.sectors) {
    const uint64_t begin = sector * kSectorBytes;
    durable_.replace(begin, bytes.size(), bytes);
    if (content_.compare(begin, kSectorBytes, durable_, begin, kSectorBytes) == 0) {
      dirty_.erase(sector);
    }
  }
  name_durable_ = true;
}

void SimFile::fail_sync() {
  in_doubt_.insert(dirty_.begin(), dirty_.end());
}

void SimFile::truncate(uint64_t size) {
  content_.resize(size);
  if (durable_.size() > size) durable_.resize(size);
  const auto beyond = [&](uint64_t sector) { return sector * kSectorBytes >= size; };
  std::erase_if(dirty_, beyond);
  std::erase_if(in_doubt_, beyond);
  sync();
}

void SimFile::replace(std::string content) {
  content_ = durable_ = std::move(content);
  dirty_.clear();
  in_doubt_.clear();
  name_durable_ = true;
}

void SimFile::flip_bit(uint64_t bit) {
  CHECK(bit / 8 < content_.size());
  const uint64_t byte = bit / 8;
  content_[byte] = static_cast<char>(content_[byte] ^ (1 << (bit % 8)));
  if (byte < durable_.size()) durable_[byte] = content_[byte];
}

void SimFile::overwrite(uint64_t position, std::string_view bytes) {
  CHECK(position + bytes.size() <= content_.size());
  content_.replace(position, bytes.size(), bytes);
  if (position >= durable_.size()) return;
  const uint64_t length = std::min<uint64_t>(bytes.size(), durable_.size() - position);
  durable_.replace(position, length, bytes.substr(0, length));
}

void SimFile::lose_power(Random& random) {
  const uint64_t longest = std::max(content_.size(), durable_.size());
  const bool whole = random.chance(1, 2);
  const uint64_t size =
      whole ? longest
            : static_cast<uint64_t>(random.between(static_cast<int64_t>(durable_.size()),
                                                   static_cast<int64_t>(longest)));
  std::string after = durable_;
  after.resize(size);
  // How much of it arrived differs from file to file: from nothing to all.
  const uint64_t kept_of_four = random.below(5);
  for (const uint64_t sector : dirty_) {
    if (random.below(4) >= kept_of_four) continue;
    const uint64_t end = std::min({(sector + 1) * kSectorBytes, size, content_.size()});
    const uint64_t begin = sector * kSectorBytes;
    if (begin < end) after.replace(begin, end - begin, content_, begin, end - begin);
  }
  replace(std::move(after));
}

}  // namespace magpie::sim
