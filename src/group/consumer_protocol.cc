#include "group/consumer_protocol.h"

#include <cstdint>

#include "base/byte_reader.h"

namespace magpie::group {

std::optional<std::vector<std::string>> subscribed_topics(const Buffer& subscription) {
  ByteReader reader(subscription);
  const int16_t version = reader.read_int16();
  const int32_t count = reader.read_int32();
  if (version < 0 || count < 0) return std::nullopt;
  std::vector<std::string> topics;
  for (int32_t i = 0; i < count && reader.ok(); ++i) {
    const int16_t length = reader.read_int16();
    if (length < 0) return std::nullopt;
    topics.emplace_back(reader.read_text(static_cast<size_t>(length)));
  }
  if (!reader.ok()) return std::nullopt;
  return topics;
}

}  // namespace magpie::group
