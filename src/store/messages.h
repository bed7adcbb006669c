// The requests and answers of the control store: the part of etcd's v3 API that Magpie uses.
//
// Names and meanings are etcd's (api/etcdserverpb and api/mvccpb), so that one set of types serves
// the client, our own store and the codec between them. Fields that Magpie does not use are left
// out. A default value means what an absent field means.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

namespace magpie::store {

// Counts the changes of a store as a whole; the first change is made at revision 2, as in etcd.
using Revision = int64_t;
// Chosen by the client or the store; 0: no lease.
using LeaseId = int64_t;

// The codes of gRPC that a store answers with.
enum class ErrorCode : int {
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

// Why a store refused a request.
struct StoreError {
  ErrorCode code = ErrorCode::kUnknown;
  std::string message;

  bool operator==(const StoreError&) const = default;
};

// What a store answers: a response, or a reason.
template <typename T>
using Answer = tl::expected<T, StoreError>;

inline tl::unexpected<StoreError> refuse(ErrorCode code, std::string message) {
  return tl::unexpected<StoreError>(StoreError{code, std::move(message)});
}

// Which store answered, and how far it had come then.
struct ResponseHeader {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  Revision revision = 0;
  uint64_t raft_term = 0;

  bool operator==(const ResponseHeader&) const = default;
};

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision = 0;  // when the key came into being
  Revision mod_revision = 0;     // when it was last changed
  int64_t version = 0;           // how often it was put since it came into being
  LeaseId lease = 0;             // deleted with this lease

  bool operator==(const KeyValue&) const = default;
};

// Keys are bytes in byte order. An empty `range_end` means the one key `key`; "\0" means all keys
// from `key` on; anything else [key, range_end).
struct RangeRequest {
  std::string key;
  std::string range_end;
  int64_t limit = 0;      // 0: all
  Revision revision = 0;  // 0: the newest
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;

  bool operator==(const RangeRequest&) const = default;
};
struct RangeResponse {
  ResponseHeader header;
  std::vector<KeyValue> kvs;  // sorted by key
  bool more = false;          // the limit left some out
  int64_t count = 0;          // keys in the range, whatever the limit

  bool operator==(const RangeResponse&) const = default;
};

struct PutRequest {
  std::string key;
  std::string value;
  LeaseId lease = 0;

  bool operator==(const PutRequest&) const = default;
};
struct PutResponse {
  ResponseHeader header;

  bool operator==(const PutResponse&) const = default;
};

struct DeleteRangeRequest {
  std::string key;
  std::string range_end;

  bool operator==(const DeleteRangeRequest&) const = default;
};
struct DeleteRangeResponse {
  ResponseHeader header;
  int64_t deleted = 0;

  bool operator==(const DeleteRangeResponse&) const = default;
};

// What of a key is compared. A key that does not exist has 0 in every number, and compares false
// with every value.
enum class CompareTarget { kVersion, kCreate, kMod, kValue, kLease };
enum class CompareResult { kEqual, kGreater, kLess, kNotEqual };

struct Compare {
  std::string key;
  CompareTarget target = CompareTarget::kVersion;
  CompareResult result = CompareResult::kEqual;
  int64_t number = 0;  // for all targets but kValue
  std::string value;   // for kValue
  bool operator==(const Compare&) const = default;
};

using Operation = std::variant<RangeRequest, PutRequest, DeleteRangeRequest>;
using OperationResponse = std::variant<RangeResponse, PutResponse, DeleteRangeResponse>;

// All operations of one branch are carried out, in order, at one revision: those of `success` if
// all compares hold, else those of `failure`. No key may be put twice in a branch, nor be put and
// deleted.
struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<Operation> success;
  std::vector<Operation> failure;

  bool operator==(const TxnRequest&) const = default;
};
struct TxnResponse {
  ResponseHeader header;
  bool succeeded = false;
  std::vector<OperationResponse> responses;  // their headers hold the revision only

  bool operator==(const TxnResponse&) const = default;
};

// Forgets what was before `revision`, except what still holds at it.
struct CompactionRequest {
  Revision revision = 0;

  bool operator==(const CompactionRequest&) const = default;
};
struct CompactionResponse {
  ResponseHeader header;

  bool operator==(const CompactionResponse&) const = default;
};

// Times to live are in seconds.
struct LeaseGrantRequest {
  int64_t ttl = 0;
  LeaseId id = 0;  // 0: the store chooses

  bool operator==(const LeaseGrantRequest&) const = default;
};
struct LeaseGrantResponse {
  ResponseHeader header;
  LeaseId id = 0;
  int64_t ttl = 0;  // as granted; may be longer than what was asked for

  bool operator==(const LeaseGrantResponse&) const = default;
};

struct LeaseKeepAliveRequest {
  LeaseId id = 0;

  bool operator==(const LeaseKeepAliveRequest&) const = default;
};
struct LeaseKeepAliveResponse {
  ResponseHeader header;
  LeaseId id = 0;
  int64_t ttl = 0;  // 0: there is no such lease

  bool operator==(const LeaseKeepAliveResponse&) const = default;
};

struct LeaseRevokeRequest {
  LeaseId id = 0;

  bool operator==(const LeaseRevokeRequest&) const = default;
};
struct LeaseRevokeResponse {
  ResponseHeader header;

  bool operator==(const LeaseRevokeResponse&) const = default;
};

struct LeaseTimeToLiveRequest {
  LeaseId id = 0;
  bool keys = false;

  bool operator==(const LeaseTimeToLiveRequest&) const = default;
};
struct LeaseTimeToLiveResponse {
  ResponseHeader header;
  LeaseId id = 0;
  int64_t ttl = 0;  // what is left; -1: there is no such lease
  int64_t granted_ttl = 0;
  std::vector<std::string> keys;

  bool operator==(const LeaseTimeToLiveResponse&) const = default;
};

// Asks for all changes of a key range from `start_revision` on; 0: from now on.
struct WatchCreateRequest {
  std::string key;
  std::string range_end;
  Revision start_revision = 0;
  bool progress_notify = false;

  bool operator==(const WatchCreateRequest&) const = default;
};

// Of a deleted key only `key` and `mod_revision` are set.
struct WatchEvent {
  bool deleted = false;
  KeyValue kv;

  bool operator==(const WatchEvent&) const = default;
};

// One message of a watch. Without events, and neither created nor canceled, it is a progress
// notification: everything up to header.revision was delivered. The events of one revision are
// never split between messages.
struct WatchResponse {
  ResponseHeader header;
  bool created = false;
  bool canceled = false;
  Revision compact_revision = 0;  // canceled because what was asked for is forgotten
  std::string cancel_reason;
  std::vector<WatchEvent> events;

  bool operator==(const WatchResponse&) const = default;
};

struct StatusRequest {
  bool operator==(const StatusRequest&) const = default;
};
struct StatusResponse {
  ResponseHeader header;
  std::string version;
  int64_t db_size = 0;
  uint64_t leader = 0;  // member id

  bool operator==(const StatusResponse&) const = default;
};

struct AuthenticateRequest {
  std::string name;
  std::string password;

  bool operator==(const AuthenticateRequest&) const = default;
};
struct AuthenticateResponse {
  ResponseHeader header;
  std::string token;

  bool operator==(const AuthenticateResponse&) const = default;
};

}  // namespace magpie::store
