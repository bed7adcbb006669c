#include "link/packing.h"

#include <utility>

#include "record/batch.h"
#include "record/codec.h"

namespace magpie::link {
namespace {

// Less does not pay for itself.
constexpr size_t kPackedFrom = 1'024;

// Bytes of batches that a producer left as they are.
size_t plain_bytes(const wire::LinkBatches& message) {
  size_t bytes = 0;
  for (const auto& partition : message.partitions) {
    for (const Buffer& batch : partition.batches.value_or(BufferChain())) {
      const auto codec = record::parse_header(batch.bytes()).codec();
      if (codec == record::Codec::kNone) bytes += batch.size();
    }
  }
  return bytes;
}

}  // namespace

std::optional<wire::LinkPacked> pack(const Message& message, int16_t version) {
  const auto* batches = std::get_if<wire::LinkBatches>(&message);
  if (batches == nullptr) return std::nullopt;
  const size_t plain = plain_bytes(*batches);
  if (plain < kPackedFrom) return std::nullopt;
  const Buffer frame = flatten(encode_frame(message, version));
  if (plain < frame.size() / 2) return std::nullopt;
  Buffer shorter = record::compress(record::Codec::kZstd,
                                    frame.slice(kFrameSizeBytes, frame.size() - kFrameSizeBytes));
  if (shorter.size() > frame.size() - frame.size() / 8) return std::nullopt;
  wire::LinkPacked packed;
  packed.bytes.emplace().push_back(std::move(shorter));
  return packed;
}

Result<Message> unpack(const wire::LinkPacked& packed, int16_t version, size_t bytes_max) {
  const Buffer bytes = flatten(packed.bytes.value_or(BufferChain()));
  auto frame = record::decompress(record::Codec::kZstd, bytes, bytes_max);
  if (!frame) return fail(frame.error());
  Result<Message> message = decode_frame(*frame, version);
  if (message && !std::holds_alternative<wire::LinkBatches>(*message)) {
    return fail(ErrorKind::kInvalidArgument, "the peer packed a message that holds no batches");
  }
  return message;
}

}  // namespace magpie::link
