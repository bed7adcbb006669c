#include "wire/request_frame.h"

#include "wire/response_frame.h"

namespace magpie::wire {
namespace {

constexpr int16_t kControlledShutdown = 7;

}  // namespace

int request_header_version(int16_t api_key, int16_t api_version) {
  if (api_key == kControlledShutdown && api_version == 0) return 0;
  const ApiInfo* info = find_api(api_key);
  return info != nullptr && info->is_flexible(api_version) ? 2 : 1;
}

HeaderOutcome read_request_header(ByteReader& in, RequestHeader& header) {
  ByteReader ahead = in;
  header = RequestHeader();
  header.request_api_key = ahead.read_int16();
  header.request_api_version = ahead.read_int16();
  header.correlation_id = ahead.read_int32();
  if (!ahead.ok()) return HeaderOutcome::kMalformed;
  const ApiInfo* info = find_api(header.request_api_key);
  if (info == nullptr || info->advertised.empty()) return HeaderOutcome::kUnknownApi;
  const int16_t version = header.request_api_version;
  const bool decoded = decode(in, header, request_header_version(header.request_api_key, version));
  if (info->served.contains(version)) {
    return decoded ? HeaderOutcome::kServe : HeaderOutcome::kMalformed;
  }
  // A newer client's header may have grown in ways not known here; what was read first counts.
  return HeaderOutcome::kUnsupportedVersion;
}

void begin_request(ByteWriter& out, ApiKey api, int version, int32_t correlation_id,
                   const std::optional<std::string>& client_id) {
  RequestHeader header;
  header.request_api_key = static_cast<int16_t>(api);
  header.request_api_version = static_cast<int16_t>(version);
  header.correlation_id = correlation_id;
  header.client_id = client_id;
  out.write_int32(0);
  encode(out, header, request_header_version(header.request_api_key, header.request_api_version));
}

BufferChain finish_request(ByteWriter& out) {
  return finish_frame(out);
}

}  // namespace magpie::wire
