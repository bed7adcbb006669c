#include "group/refusal.h"

namespace magpie::group {

Reply refusal(const JoinGroup& request, GroupError error) {
  JoinGroupReply reply;
  reply.error = error;
  reply.member_id = request.member_id;
  return {request.token, reply};
}

Reply refusal(const SyncGroup& request, GroupError error) {
  SyncGroupReply reply;
  reply.error = error;
  return {request.token, reply};
}

Reply refusal(const Heartbeat& request, GroupError error) {
  return {request.token, HeartbeatReply{error}};
}

Reply refusal(const LeaveGroup& request, GroupError error) {
  return {request.token, LeaveGroupReply{error, {}}};
}

Reply refusal(const OffsetCommit& request, GroupError error) {
  OffsetCommitReply reply;
  for (const PositionCommit& commit : request.positions) {
    reply.positions.push_back({commit.at, error});
  }
  return {request.token, reply};
}

Reply refusal(const OffsetDelete& request, GroupError error) {
  return {request.token, OffsetDeleteReply{error, {}}};
}

Reply refusal(const DeleteGroups& request, GroupError error) {
  DeleteGroupsReply reply;
  for (const std::string& group_id : request.group_ids) reply.groups.push_back({group_id, error});
  return {request.token, reply};
}

}  // namespace magpie::group
