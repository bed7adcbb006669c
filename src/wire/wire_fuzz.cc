// Feeds bytes of nobody's making to everything that reads bytes of clients: the request header, the
// decoder of every request in every version, and the frame assembler.
//
// Input: two bytes that choose, then the bytes. What is accepted must survive encoding and
// decoding.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "wire/all_messages.h"
#include "wire/frame.h"
#include "wire/request_frame.h"

namespace magpie::wire {
namespace {

void check_message(const MessageEntry& message, int version, ByteReader& in) {
  const std::optional<Buffer> once = message.recode(in, version);
  if (!once.has_value()) return;
  ByteReader again(*once);
  const std::optional<Buffer> twice = message.recode(again, version);
  CHECK(twice.has_value() && again.remaining() == 0 && *once == *twice);
}

// A request frame as a broker reads it: the header says which message follows.
void fuzz_request(const Buffer& frame) {
  ByteReader in(frame);
  RequestHeader header;
  const HeaderOutcome outcome = read_request_header(in, header);
  if (outcome == HeaderOutcome::kUnknownApi || outcome == HeaderOutcome::kMalformed) return;
  const ApiInfo* api = find_api(header.request_api_key);
  CHECK(api != nullptr);
  if (!in.ok() || !api->described.contains(header.request_api_version)) return;
  for (const MessageEntry& message : all_messages()) {
    if (message.request_key != header.request_api_key) continue;
    check_message(message, header.request_api_version, in);
  }
}

// Any message, also those a broker does not receive: stored records, and responses for our clients.
void fuzz_message(uint8_t choice, const Buffer& bytes) {
  if (bytes.empty()) return;
  const std::span<const MessageEntry> messages = all_messages();
  const MessageEntry& message = messages[choice % messages.size()];
  const int versions = message.highest_version - message.lowest_version + 1;
  const int version = message.lowest_version + static_cast<uint8_t>(bytes.text()[0]) % versions;
  ByteReader in(bytes.slice(1, bytes.size() - 1));
  check_message(message, version, in);
}

// Reads of up to `piece` bytes; the frames must be the bytes without their prefixes.
void fuzz_frames(size_t piece, std::string_view bytes) {
  FrameAssembler assembler(64 * 1024);
  std::string_view expected = bytes;
  while (!bytes.empty() && assembler.status().has_value()) {
    const std::span<std::byte> place = assembler.writable();
    CHECK(!place.empty());
    const size_t count = std::min({place.size(), bytes.size(), piece});
    std::memcpy(place.data(), bytes.data(), count);
    assembler.commit(count);
    bytes.remove_prefix(count);
    while (std::optional<Buffer> frame = assembler.next()) {
      CHECK(expected.substr(4, frame->size()) == frame->text());
      expected.remove_prefix(4 + frame->size());
    }
  }
}

}  // namespace
}  // namespace magpie::wire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace magpie;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
      wire::fuzz_frames(1 + data[1], bytes);
      break;
    case 1:
      wire::fuzz_message(data[1], Buffer::copy_of(bytes));
      break;
    default:
      wire::fuzz_request(Buffer::copy_of(bytes));
  }
  return 0;
}
