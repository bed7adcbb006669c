#include "store/codec.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "store/message_fields.h"

namespace magpie::store {
namespace {

using nlohmann::json;

// In the order of Request's alternatives. etcd serves the lease requests under both paths.
struct Path {
  const char* path;
  const char* other;
};
constexpr Path kPaths[] = {{"/v3/kv/range", ""},
                           {"/v3/kv/put", ""},
                           {"/v3/kv/deleterange", ""},
                           {"/v3/kv/txn", ""},
                           {"/v3/kv/compaction", ""},
                           {"/v3/lease/grant", ""},
                           {"/v3/lease/keepalive", ""},
                           {"/v3/lease/revoke", "/v3/kv/lease/revoke"},
                           {"/v3/lease/timetolive", "/v3/kv/lease/timetolive"},
                           {"/v3/watch", ""},
                           {"/v3/maintenance/status", ""},
                           {"/v3/auth/authenticate", ""}};
static_assert(std::size(kPaths) == std::variant_size_v<Request>);

template <typename T>
constexpr bool kIsStreamed =
    std::is_same_v<T, WatchResponse> || std::is_same_v<T, LeaseKeepAliveResponse>;

// Names and texts from peers may hold bytes that are no text.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json parse(std::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

template <typename T>
json to_json(const T& message) {
  JsonWriter writer;
  fields(writer, const_cast<T&>(message));
  return writer.take();
}

template <typename T>
Answer<Request> read_request(const json& body) {
  T request;
  JsonReader reader(body);
  fields(reader, request);
  if (!reader.error().empty()) return refuse(ErrorCode::kInvalidArgument, reader.error());
  return Request(std::move(request));
}

Answer<Request> read_watch(const json& body) {
  if (!body.is_object()) return refuse(ErrorCode::kInvalidArgument, "an object was expected");
  auto create = body.find("create_request");
  if (create == body.end()) create = body.find("createRequest");
  if (create == body.end()) {
    return refuse(ErrorCode::kUnimplemented, "only create_request is offered");
  }
  return read_request<WatchCreateRequest>(*create);
}

template <size_t... kIndexes>
Answer<Request> read_alternative(size_t index, const json& body, std::index_sequence<kIndexes...>) {
  using Read = Answer<Request> (*)(const json&);
  constexpr Read kReads[] = {&read_request<std::variant_alternative_t<kIndexes, Request>>...};
  return kReads[index](body);
}

std::optional<size_t> index_of(std::string_view path) {
  for (size_t i = 0; i < std::size(kPaths); ++i) {
    if (path == kPaths[i].path || path == kPaths[i].other) return i;
  }
  return std::nullopt;
}

ErrorCode code_of_status(int http_status) {
  switch (http_status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 408:
    case 504:
      return ErrorCode::kDeadlineExceeded;
    case 429:
      return ErrorCode::kResourceExhausted;
    case 502:
    case 503:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kUnknown;
  }
}

// The fields of an error object, of a gateway's first or second version.
std::optional<StoreError> read_error(const json& object) {
  if (!object.is_object()) return std::nullopt;
  StoreError error;
  bool found = false;
  for (const char* name : {"code", "grpc_code"}) {
    const auto code = object.find(name);
    if (code == object.end() || !code->is_number_integer()) continue;
    error.code = static_cast<ErrorCode>(code->get<int>());
    found = true;
  }
  for (const char* name : {"message", "error"}) {
    const auto text = object.find(name);
    if (text == object.end() || !text->is_string() || !error.message.empty()) continue;
    error.message = text->get_ref<const std::string&>();
  }
  return found ? std::optional(error) : std::nullopt;
}

}  // namespace

const char* path_of(const Request& request) {
  return kPaths[request.index()].path;
}

std::string encode(const Request& request) {
  json body = std::visit([](const auto& message) { return to_json(message); }, request);
  if (std::holds_alternative<WatchCreateRequest>(request)) {
    body = json{{"create_request", std::move(body)}};
  }
  return dump(body);
}

Answer<Request> decode_request(std::string_view path, std::string_view body) {
  const auto index = index_of(path);
  if (!index) return refuse(ErrorCode::kNotFound, "Not Found");
  const json parsed = parse(body);
  if (parsed.is_discarded()) return refuse(ErrorCode::kInvalidArgument, "the body is not JSON");
  constexpr size_t kWatch = 9;
  static_assert(std::is_same_v<std::variant_alternative_t<kWatch, Request>, WatchCreateRequest>);
  if (*index == kWatch) return read_watch(parsed);
  return read_alternative(*index, parsed, std::make_index_sequence<std::variant_size_v<Request>>());
}

template <typename T>
std::string encode_response(const T& response) {
  if constexpr (kIsStreamed<T>) {
    return dump(json{{"result", to_json(response)}}) + "\n";
  } else {
    return dump(to_json(response));
  }
}

template <typename T>
Result<T> decode_response(std::string_view body) {
  const json parsed = parse(body);
  const json* message = &parsed;
  if (parsed.is_discarded() || !parsed.is_object()) {
    return magpie::fail(ErrorKind::kCorrupt, "the answer is not a JSON object");
  }
  if constexpr (kIsStreamed<T>) {
    const auto result = parsed.find("result");
    if (result == parsed.end()) {
      return magpie::fail(ErrorKind::kCorrupt, "the answer has no result");
    }
    message = &*result;
  }
  T response;
  JsonReader reader(*message);
  fields(reader, response);
  if (!reader.error().empty()) {
    return magpie::fail(ErrorKind::kCorrupt, "malformed answer: " + reader.error());
  }
  return response;
}

#define MAGPIE_STORE_RESPONSE(Type)                  \
  template std::string encode_response(const Type&); \
  template Result<Type> decode_response(std::string_view)
MAGPIE_STORE_RESPONSE(RangeResponse);
MAGPIE_STORE_RESPONSE(PutResponse);
MAGPIE_STORE_RESPONSE(DeleteRangeResponse);
MAGPIE_STORE_RESPONSE(TxnResponse);
MAGPIE_STORE_RESPONSE(CompactionResponse);
MAGPIE_STORE_RESPONSE(LeaseGrantResponse);
MAGPIE_STORE_RESPONSE(LeaseKeepAliveResponse);
MAGPIE_STORE_RESPONSE(LeaseRevokeResponse);
MAGPIE_STORE_RESPONSE(LeaseTimeToLiveResponse);
MAGPIE_STORE_RESPONSE(WatchResponse);
MAGPIE_STORE_RESPONSE(StatusResponse);
MAGPIE_STORE_RESPONSE(AuthenticateResponse);
#undef MAGPIE_STORE_RESPONSE

int http_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kOutOfRange:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kFailedPrecondition:
      return 412;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kUnimplemented:
      return 501;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kUnknown:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

std::string encode_error(const StoreError& error) {
  return dump(json{{"error", error.message},
                   {"message", error.message},
                   {"code", static_cast<int>(error.code)}});
}

StoreError decode_error(int http_status, std::string_view body) {
  constexpr size_t kShown = 200;
  const json parsed = parse(body);
  if (!parsed.is_discarded()) {
    if (auto error = read_error(parsed)) return *error;
    // A stream that was refused before it began.
    if (auto error = decode_stream_error(body)) return *error;
  }
  return {code_of_status(http_status),
          fmt::format("HTTP status {}: {}", http_status, body.substr(0, kShown))};
}

std::optional<StoreError> decode_stream_error(std::string_view line) {
  const json parsed = parse(line);
  if (!parsed.is_object()) return std::nullopt;
  const auto error = parsed.find("error");
  if (error == parsed.end()) return std::nullopt;
  if (error->is_object()) return read_error(*error);
  return read_error(parsed);
}

}  // namespace magpie::store
