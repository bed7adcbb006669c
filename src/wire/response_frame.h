// Turning an answer into the bytes that go to the socket.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "base/byte_writer.h"
#include "wire/api_table.h"

namespace magpie::wire {

// Version of the header in front of a response: 1 in flexible versions, else 0; always 0 for
// ApiVersions, because a client that asks does not know yet what the broker speaks (KIP-511).
int response_header_version(ApiKey api, int version);

// Starts a frame with its size prefix (filled by finish_frame) and the response header.
void begin_response(ByteWriter& out, ApiKey api, int version, int32_t correlation_id);

// Fills the size prefix and hands over the frame. REQUIRES: `out` holds exactly one frame, begun
// with four bytes for the size and written in one go with at least one more byte.
BufferChain finish_frame(ByteWriter& out);

// A whole response frame with its size prefix. Records in `body` are linked, not copied.
template <typename Response>
BufferChain frame_response(const Response& body, int version, int32_t correlation_id) {
  ByteWriter out;
  begin_response(out, Response::kApi, version, correlation_id);
  encode(out, body, version);
  return finish_frame(out);
}

}  // namespace magpie::wire
