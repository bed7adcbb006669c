// One member of a group, as the coordinator sees it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/time.h"
#include "group/change.h"
#include "group/messages.h"

namespace magpie::group {

struct Member {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  int32_t session_timeout_ms = 0;
  int32_t rebalance_timeout_ms = 0;
  std::vector<Protocol> protocols;  // the most wanted first
  Buffer assignment;

  uint64_t arrival = 0;    // order of first appearance; elects leaders
  bool is_new = false;     // no generation has been completed with it yet
  bool owes_sync = false;  // was told of the generation and has not asked for its assignment

  // Requests that are parked until the group has moved on.
  std::optional<ReplyToken> awaiting_join;
  std::optional<ReplyToken> awaiting_sync;

  // A new member as its join describes it.
  static Member from_request(const JoinGroup& request, std::string member_id);
  // A member of a stored group, which knew only the protocol that was chosen.
  static Member from_metadata(const MemberMetadata& metadata, const std::string& protocol_name);

  // Takes over timeouts and protocols of a repeated join.
  void update(const JoinGroup& request);

  bool is_static() const { return instance_id.has_value(); }
  Duration session_timeout() const { return Duration::milliseconds(session_timeout_ms); }

  // Silence is no sign of death while the coordinator itself keeps the member waiting. It is for a
  // new member: its request may have been given up and repeated under another id.
  bool may_be_silent() const { return !is_new && (awaiting_join || awaiting_sync); }

  bool supports(const std::string& protocol_name) const;
  // The bytes for a protocol; empty if the member does not support it.
  Buffer metadata_for(const std::string& protocol_name) const;
  // True if a join says nothing new about what the member supports.
  bool matches(const std::vector<Protocol>& others) const;
  // The member's favourite among the candidates. REQUIRES: it supports one of them.
  const std::string& vote(const std::set<std::string>& candidates) const;
};

}  // namespace magpie::group
