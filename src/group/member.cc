#include "group/member.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace magpie::group {
namespace {

// A slice of the request would keep the whole request in memory as long as the member lives.
std::vector<Protocol> copy_of(const std::vector<Protocol>& protocols) {
  std::vector<Protocol> copies;
  copies.reserve(protocols.size());
  for (const Protocol& protocol : protocols) {
    copies.push_back({protocol.name, Buffer::copy_of(protocol.metadata.bytes())});
  }
  return copies;
}

}  // namespace

Member Member::from_request(const JoinGroup& request, std::string member_id) {
  Member member;
  member.member_id = std::move(member_id);
  member.instance_id = request.instance_id;
  member.client_id = request.client_id;
  member.client_host = request.client_host;
  member.is_new = true;
  member.update(request);
  return member;
}

Member Member::from_metadata(const MemberMetadata& metadata, const std::string& protocol_name) {
  Member member;
  member.member_id = metadata.member_id;
  member.instance_id = metadata.instance_id;
  member.client_id = metadata.client_id;
  member.client_host = metadata.client_host;
  member.session_timeout_ms = metadata.session_timeout_ms;
  member.rebalance_timeout_ms = metadata.rebalance_timeout_ms;
  member.protocols = {{protocol_name, metadata.subscription}};
  member.assignment = metadata.assignment;
  return member;
}

void Member::update(const JoinGroup& request) {
  session_timeout_ms = request.session_timeout_ms;
  const int32_t rebalance = request.rebalance_timeout_ms;
  rebalance_timeout_ms = rebalance == -1 ? session_timeout_ms : std::max(rebalance, 0);
  protocols = copy_of(request.protocols);
}

bool Member::supports(const std::string& protocol_name) const {
  return std::any_of(protocols.begin(), protocols.end(),
                     [&](const Protocol& protocol) { return protocol.name == protocol_name; });
}

Buffer Member::metadata_for(const std::string& protocol_name) const {
  for (const Protocol& protocol : protocols) {
    if (protocol.name == protocol_name) return protocol.metadata;
  }
  return {};
}

bool Member::matches(const std::vector<Protocol>& others) const {
  return std::equal(protocols.begin(), protocols.end(), others.begin(), others.end(),
                    [](const Protocol& mine, const Protocol& other) {
                      return mine.name == other.name &&
                             mine.metadata.text() == other.metadata.text();
                    });
}

const std::string& Member::vote(const std::set<std::string>& candidates) const {
  const auto favourite =
      std::find_if(protocols.begin(), protocols.end(),
                   [&](const Protocol& protocol) { return candidates.count(protocol.name) != 0; });
  CHECK(favourite != protocols.end());
  return favourite->name;
}

}  // namespace magpie::group
