// ApiVersions (key 18): what this broker speaks (KIP-35, KIP-511).
#include <algorithm>
#include <string_view>

#include "base/ascii.h"
#include "kafka/handlers.h"
#include "kafka/reply.h"
#include "wire/api_table.h"
#include "wire/api_versions.h"

namespace magpie::kafka {
namespace {

using wire::ErrorCode;

// KIP-511: letters and digits at both ends, '.' and '-' also between.
bool is_software_name(std::string_view text) {
  if (text.empty() || !is_ascii_letter_or_digit(text.front()) ||
      !is_ascii_letter_or_digit(text.back()))
    return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_ascii_letter_or_digit(c) || c == '.' || c == '-'; });
}

void list_apis(wire::ApiVersionsResponse& response) {
  for (const wire::ApiInfo& api : wire::api_table()) {
    if (api.advertised.empty()) continue;
    response.api_keys.push_back({.api_key = static_cast<int16_t>(api.key),
                                 .min_version = api.advertised.low,
                                 .max_version = api.advertised.high});
  }
}

}  // namespace

wire::ApiVersionsResponse unsupported_api_versions() {
  wire::ApiVersionsResponse response;
  response.error_code = ErrorCode::kUnsupportedVersion;
  const wire::ApiInfo& own = wire::api_info(wire::ApiKey::kApiVersions);
  response.api_keys.push_back({.api_key = static_cast<int16_t>(own.key),
                               .min_version = own.advertised.low,
                               .max_version = own.advertised.high});
  return response;
}

void handle(Broker& broker, const Request& request, wire::ApiVersionsRequest body) {
  wire::ApiVersionsResponse response;
  const bool named = request.version < 3 || (is_software_name(body.client_software_name) &&
                                             is_software_name(body.client_software_version));
  response.error_code = named ? ErrorCode::kNone : ErrorCode::kInvalidRequest;
  if (named) list_apis(response);
  reply(broker, request, response);
}

}  // namespace magpie::kafka
