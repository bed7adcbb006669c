// Requests and answers of the control store as the bytes of etcd's v3 HTTP gateway.
//
// Source: etcd's api_grpc_gateway.md and rpc.proto; what etcd 3.4 answers was recorded and is in
// the tests. Every request is a POST of one JSON object to the path of its kind; every answer is
// one JSON object, or for a watch one per line, each as {"result":{…}}. A refusal is a JSON object
// with a gRPC code and a message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "store/messages.h"

namespace magpie::store {

using Request =
    std::variant<RangeRequest, PutRequest, DeleteRangeRequest, TxnRequest, CompactionRequest,
                 LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest,
                 LeaseTimeToLiveRequest, WatchCreateRequest, StatusRequest, AuthenticateRequest>;

// Where a request is posted: "/v3/kv/range".
const char* path_of(const Request& request);
std::string encode(const Request& request);

// Reads a request from the path and body it was posted with. Refusals: kNotFound for an unknown
// path, kInvalidArgument for a malformed body, kUnimplemented for a watch that does not create one.
Answer<Request> decode_request(std::string_view path, std::string_view body);

// The body of an answer. Keep-alive and watch answers are lines of a stream and are framed so.
template <typename T>
std::string encode_response(const T& response);

// Reads it back. Error: kCorrupt, with what is wrong.
template <typename T>
Result<T> decode_response(std::string_view body);

// --- refusals -----------------------------------------------------------------------------------

// The HTTP status that the gateway uses for a code.
int http_status_of(ErrorCode code);
std::string encode_error(const StoreError& error);
// What an answer says that is none: the gateway's error object in its several forms, or whatever
// else came with this status, for instance from a proxy.
StoreError decode_error(int http_status, std::string_view body);
// The error in a line of a stream ({"error":{…}}); nothing if the line holds none.
std::optional<StoreError> decode_stream_error(std::string_view line);

}  // namespace magpie::store
