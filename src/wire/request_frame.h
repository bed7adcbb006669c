// What surrounds a request body: the header, and for our own clients the size prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/buffer.h"
#include "base/byte_reader.h"
#include "base/byte_writer.h"
#include "wire/api_table.h"
#include "wire/request_header.h"

namespace magpie::wire {

// Version of the header in front of a request: 2 from the API's first flexible version on, before
// that 1; 0 only for version 0 of ControlledShutdown (Kafka protocol guide, "Request Header").
int request_header_version(int16_t api_key, int16_t api_version);

enum class HeaderOutcome {
  kServe,  // the body follows, in a version that is served
  // A known API in a version that is not served. ApiVersions must be answered in version 0 with
  // UNSUPPORTED_VERSION (KIP-511). A version that is described, such as Produce 0, can be decoded
  // and answered with that code; otherwise no answer would be understood: close the connection, as
  // Kafka does.
  kUnsupportedVersion,
  kUnknownApi,  // key, version and correlation id were read, no more: close the connection
  kMalformed,   // close the connection
};

// Reads the header of a request frame and leaves `in` at the body. With kUnsupportedVersion key,
// version and correlation id are right; the rest is if the version is described.
HeaderOutcome read_request_header(ByteReader& in, RequestHeader& header);

// Writes size prefix and header; the body follows. Then call finish_request.
void begin_request(ByteWriter& out, ApiKey api, int version, int32_t correlation_id,
                   const std::optional<std::string>& client_id);
BufferChain finish_request(ByteWriter& out);

// A whole request frame with its size prefix, as a client sends it.
template <typename Request>
BufferChain frame_request(const Request& body, int version, int32_t correlation_id,
                          const std::optional<std::string>& client_id) {
  ByteWriter out;
  begin_request(out, Request::kApi, version, correlation_id, client_id);
  encode(out, body, version);
  return finish_request(out);
}

}  // namespace magpie::wire
