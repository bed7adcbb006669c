// The fields of each message, with their names in etcd's JSON: one description for reading and for
// writing (json_writer.h, json_reader.h). Only the codec needs this.
#pragma once

#include "store/json_reader.h"
#include "store/json_writer.h"
#include "store/messages.h"

namespace magpie::store {

template <>
struct EnumNames<CompareTarget> {
  static constexpr const char* kNames[] = {"VERSION", "CREATE", "MOD", "VALUE", "LEASE"};
};
template <>
struct EnumNames<CompareResult> {
  static constexpr const char* kNames[] = {"EQUAL", "GREATER", "LESS", "NOT_EQUAL"};
};

template <typename V>
void fields(V& v, ResponseHeader& m) {
  v.number("cluster_id", m.cluster_id);
  v.number("member_id", m.member_id);
  v.number("revision", m.revision);
  v.number("raft_term", m.raft_term);
}
template <typename V>
void fields(V& v, KeyValue& m) {
  v.bytes("key", m.key);
  v.number("create_revision", m.create_revision);
  v.number("mod_revision", m.mod_revision);
  v.number("version", m.version);
  v.bytes("value", m.value);
  v.number("lease", m.lease);
}
template <typename V>
void fields(V& v, RangeRequest& m) {
  v.bytes("key", m.key);
  v.bytes("range_end", m.range_end);
  v.number("limit", m.limit);
  v.number("revision", m.revision);
  v.flag("serializable", m.serializable);
  v.flag("keys_only", m.keys_only);
  v.flag("count_only", m.count_only);
}
template <typename V>
void fields(V& v, RangeResponse& m) {
  v.message("header", m.header);
  v.messages("kvs", m.kvs);
  v.flag("more", m.more);
  v.number("count", m.count);
}
template <typename V>
void fields(V& v, PutRequest& m) {
  v.bytes("key", m.key);
  v.bytes("value", m.value);
  v.number("lease", m.lease);
}
template <typename V>
void fields(V& v, PutResponse& m) {
  v.message("header", m.header);
}
template <typename V>
void fields(V& v, DeleteRangeRequest& m) {
  v.bytes("key", m.key);
  v.bytes("range_end", m.range_end);
}
template <typename V>
void fields(V& v, DeleteRangeResponse& m) {
  v.message("header", m.header);
  v.number("deleted", m.deleted);
}

// The number compared is a choice between four fields.
inline const char* number_name(CompareTarget target) {
  switch (target) {
    case CompareTarget::kVersion:
      return "version";
    case CompareTarget::kCreate:
      return "create_revision";
    case CompareTarget::kMod:
      return "mod_revision";
    default:
      return "lease";
  }
}
template <typename V>
void fields(V& v, Compare& m) {
  v.enumeration("result", m.result);
  v.enumeration("target", m.target);
  v.bytes("key", m.key);
  if (m.target == CompareTarget::kValue) {
    v.chosen_bytes("value", m.value);
  } else {
    v.chosen_number(number_name(m.target), m.number);
  }
  if constexpr (V::kReads) {
    // Comparing a whole range is not part of what we offer, and must not be read as one key.
    if (v.has("range_end")) v.fail("range_end", "a compare of one key");
  }
}

// A choice between messages: the one that is there.
template <typename V>
void fields(V& v, Operation& m) {
  if constexpr (V::kReads) {
    RangeRequest range;
    PutRequest put;
    DeleteRangeRequest erase;
    v.message("request_range", range);
    v.message("request_put", put);
    v.message("request_delete_range", erase);
    if (v.has("request_put")) {
      m = std::move(put);
    } else if (v.has("request_delete_range")) {
      m = std::move(erase);
    } else {
      if (!v.has("request_range")) v.fail("request", "a range, put or delete_range");
      m = std::move(range);
    }
  } else {
    if (auto* range = std::get_if<RangeRequest>(&m)) v.message("request_range", *range);
    if (auto* put = std::get_if<PutRequest>(&m)) v.message("request_put", *put);
    if (auto* erase = std::get_if<DeleteRangeRequest>(&m))
      v.message("request_delete_range", *erase);
  }
}
template <typename V>
void fields(V& v, OperationResponse& m) {
  if constexpr (V::kReads) {
    RangeResponse range;
    PutResponse put;
    DeleteRangeResponse erase;
    v.message("response_range", range);
    v.message("response_put", put);
    v.message("response_delete_range", erase);
    if (v.has("response_put")) {
      m = std::move(put);
    } else if (v.has("response_delete_range")) {
      m = std::move(erase);
    } else {
      if (!v.has("response_range")) v.fail("response", "a range, put or delete_range");
      m = std::move(range);
    }
  } else {
    if (auto* range = std::get_if<RangeResponse>(&m)) v.message("response_range", *range);
    if (auto* put = std::get_if<PutResponse>(&m)) v.message("response_put", *put);
    if (auto* erase = std::get_if<DeleteRangeResponse>(&m)) {
      v.message("response_delete_range", *erase);
    }
  }
}
template <typename V>
void fields(V& v, TxnRequest& m) {
  v.messages("compare", m.compare);
  v.messages("success", m.success);
  v.messages("failure", m.failure);
}
template <typename V>
void fields(V& v, TxnResponse& m) {
  v.message("header", m.header);
  v.flag("succeeded", m.succeeded);
  v.messages("responses", m.responses);
}
template <typename V>
void fields(V& v, CompactionRequest& m) {
  v.number("revision", m.revision);
}
template <typename V>
void fields(V& v, CompactionResponse& m) {
  v.message("header", m.header);
}

template <typename V>
void fields(V& v, LeaseGrantRequest& m) {
  v.number("TTL", m.ttl);
  v.number("ID", m.id);
}
template <typename V>
void fields(V& v, LeaseGrantResponse& m) {
  v.message("header", m.header);
  v.number("ID", m.id);
  v.number("TTL", m.ttl);
}
template <typename V>
void fields(V& v, LeaseKeepAliveRequest& m) {
  v.number("ID", m.id);
}
template <typename V>
void fields(V& v, LeaseKeepAliveResponse& m) {
  v.message("header", m.header);
  v.number("ID", m.id);
  v.number("TTL", m.ttl);
}
template <typename V>
void fields(V& v, LeaseRevokeRequest& m) {
  v.number("ID", m.id);
}
template <typename V>
void fields(V& v, LeaseRevokeResponse& m) {
  v.message("header", m.header);
}
template <typename V>
void fields(V& v, LeaseTimeToLiveRequest& m) {
  v.number("ID", m.id);
  v.flag("keys", m.keys);
}
template <typename V>
void fields(V& v, LeaseTimeToLiveResponse& m) {
  v.message("header", m.header);
  v.number("ID", m.id);
  v.number("TTL", m.ttl);
  v.number("grantedTTL", m.granted_ttl);
  v.bytes_list("keys", m.keys);
}

template <typename V>
void fields(V& v, WatchCreateRequest& m) {
  v.bytes("key", m.key);
  v.bytes("range_end", m.range_end);
  v.number("start_revision", m.start_revision);
  v.flag("progress_notify", m.progress_notify);
}
enum class EventType { kPut, kDelete };
template <>
struct EnumNames<EventType> {
  static constexpr const char* kNames[] = {"PUT", "DELETE"};
};
template <typename V>
void fields(V& v, WatchEvent& m) {
  EventType type = m.deleted ? EventType::kDelete : EventType::kPut;
  v.enumeration("type", type);
  m.deleted = type == EventType::kDelete;
  v.message("kv", m.kv);
}
template <typename V>
void fields(V& v, WatchResponse& m) {
  v.message("header", m.header);
  v.flag("created", m.created);
  v.flag("canceled", m.canceled);
  v.number("compact_revision", m.compact_revision);
  v.text("cancel_reason", m.cancel_reason);
  v.messages("events", m.events);
}

template <typename V>
void fields(V&, StatusRequest&) {}
template <typename V>
void fields(V& v, StatusResponse& m) {
  v.message("header", m.header);
  v.text("version", m.version);
  v.number("dbSize", m.db_size);
  v.number("leader", m.leader);
}
template <typename V>
void fields(V& v, AuthenticateRequest& m) {
  v.text("name", m.name);
  v.text("password", m.password);
}
template <typename V>
void fields(V& v, AuthenticateResponse& m) {
  v.message("header", m.header);
  v.text("token", m.token);
}

}  // namespace magpie::store
