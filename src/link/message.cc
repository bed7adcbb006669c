#include "link/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "wire/response_frame.h"

namespace magpie::link {
namespace {

template <typename T>
Result<Message> decode_as(ByteReader& in, int16_t version) {
  T message;
  if (!wire::decode(in, message, version)) {
    return fail(ErrorKind::kCorrupt, "a message on the link is malformed");
  }
  return Message(std::move(message));
}

using Decoder = Result<Message> (*)(ByteReader&, int16_t);

template <size_t... kind>
constexpr auto make_decoders(std::index_sequence<kind...>) {
  return std::array<Decoder, sizeof...(kind)>{
      &decode_as<std::variant_alternative_t<kind, Message>>...};
}

constexpr auto kDecoders = make_decoders(std::make_index_sequence<std::variant_size_v<Message>>());

}  // namespace

BufferChain encode_frame(const Message& message, int16_t version) {
  ByteWriter out;
  out.write_int32(0);
  out.write_int16(static_cast<int16_t>(message.index() + 1));
  out.write_int16(version);
  std::visit([&](const auto& concrete) { wire::encode(out, concrete, version); }, message);
  return wire::finish_frame(out);
}

std::vector<BufferChain> encode_frames(const Message& message, int16_t version) {
  std::vector<BufferChain> frames;
  BufferChain whole = encode_frame(message, version);
  size_t left = size_of(whole) - kFrameSizeBytes;
  if (left <= kPieceBytes) {
    frames.push_back(std::move(whole));
    return frames;
  }
  size_t at = kFrameSizeBytes;  // in the first of `whole` that is not yet sent
  auto next = whole.begin();
  while (left > 0) {
    wire::LinkPiece piece;
    piece.bytes.emplace();
    size_t wanted = std::min(left, kPieceBytes);
    left -= wanted;
    piece.last = left == 0;
    while (wanted > 0) {
      const size_t some = std::min(wanted, next->size() - at);
      if (some > 0) piece.bytes->push_back(next->slice(at, some));
      wanted -= some;
      at += some;
      if (at < next->size()) continue;
      ++next;
      at = 0;
    }
    frames.push_back(encode_frame(piece, version));
  }
  return frames;
}

Status check_versions(std::string_view who, int16_t lowest, int16_t highest) {
  if (std::min(highest, kHighestVersion) >= std::max(lowest, kLowestVersion)) return {};
  return fail(ErrorKind::kUnsupported,
              fmt::format("{} speaks versions {} to {} of the link, this build {} to {}; upgrade "
                          "the older of the two",
                          who, lowest, highest, kLowestVersion, kHighestVersion));
}

Result<Message> decode_frame(const Buffer& frame, int16_t version) {
  ByteReader in(frame);
  const int16_t kind = in.read_int16();
  const int16_t spoken = in.read_int16();
  if (!in.ok()) return fail(ErrorKind::kCorrupt, "a message on the link is too short");
  const bool hello = kind == 1;
  const bool known = kind >= 1 && static_cast<size_t>(kind) <= kDecoders.size();
  const bool fits =
      hello ? spoken >= kLowestVersion && spoken <= kHighestVersion : spoken == version;
  if (hello && !fits) {
    // Its first two fields are the same in every version.
    const int16_t lowest = in.read_int16();
    const int16_t highest = in.read_int16();
    const Status shared = check_versions("the node there", lowest, highest);
    if (in.ok() && !shared) return fail(shared.error());
  }
  if (!known || !fits) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("a message of kind {} and version {} came over the link; this build knows "
                    "kinds 1 to {} and speaks version {} here",
                    kind, spoken, kDecoders.size(), version));
  }
  return kDecoders[static_cast<size_t>(kind - 1)](in, spoken);
}

}  // namespace magpie::link
