#include "group/member_id.h"

#include "base/uuid.h"

namespace magpie::group {
namespace {

// The client id in front of a member id is for people; a long one is cut, because the member id
// must fit into a string of a record.
constexpr size_t kMemberIdPrefixBytes = 255;

std::string readable_prefix(std::string text) {
  if (text.size() <= kMemberIdPrefixBytes) return text;
  size_t end = kMemberIdPrefixBytes;
  // Not through the middle of a UTF-8 character.
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace

std::string new_member_id(Random& random, const Group& group, const JoinGroup& request) {
  const std::string prefix = readable_prefix(request.instance_id.value_or(request.client_id));
  for (;;) {
    std::string id = prefix + "-" + to_string(Uuid::random(random));
    if (!group.has(id) && !group.is_pending(id)) return id;
  }
}

}  // namespace magpie::group
