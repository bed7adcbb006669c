#include "log/batch_scan.h"

#include "base/check.h"

namespace magpie::log {

BatchLook look_at_batch(std::span<const std::byte> bytes, size_t at, Offset lowest) {
  CHECK(at <= bytes.size());
  BatchLook look;
  const size_t available = bytes.size() - at;
  if (available < record::kBatchHeaderBytes) {
    look.kind = BatchLook::Kind::kShort;
    look.needed = record::kBatchHeaderBytes;
    return look;
  }
  look.header = record::parse_header(bytes.subspan(at));
  if (!record::is_plausible(look.header) || look.header.leader_epoch < kNoLeaderEpoch) {
    look.damage = "no batch header";
    return look;
  }
  if (look.header.base_offset < lowest) {
    look.damage = "offsets run backwards";
    return look;
  }
  if (look.header.size_bytes() > available) {
    look.kind = BatchLook::Kind::kShort;
    look.needed = look.header.size_bytes();
    return look;
  }
  if (!record::checksum_matches(bytes.subspan(at, look.header.size_bytes()))) {
    look.damage = "checksum does not match";
    return look;
  }
  look.kind = BatchLook::Kind::kWhole;
  return look;
}

}  // namespace magpie::log
