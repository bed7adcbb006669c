#include "wire/response_frame.h"

#include "base/check.h"
#include "wire/response_header.h"

namespace magpie::wire {

int response_header_version(ApiKey api, int version) {
  if (api == ApiKey::kApiVersions) return 0;
  return api_info(api).is_flexible(version) ? 1 : 0;
}

void begin_response(ByteWriter& out, ApiKey api, int version, int32_t correlation_id) {
  CHECK(out.size() == 0);
  out.write_int32(0);
  ResponseHeader header;
  header.correlation_id = correlation_id;
  encode(out, header, response_header_version(api, version));
}

BufferChain finish_frame(ByteWriter& out) {
  const size_t size = out.size() - sizeof(int32_t);
  CHECK(size <= INT32_MAX);
  BufferChain frame = out.finish();
  // The first piece was made by the writer a moment ago: nobody else reads it yet.
  const std::span<std::byte> prefix = frame.front().mutable_bytes().first(sizeof(int32_t));
  for (size_t i = 0; i < prefix.size(); ++i) {
    prefix[i] = static_cast<std::byte>(size >> (24 - 8 * i));
  }
  return frame;
}

}  // namespace magpie::wire
