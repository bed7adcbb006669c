#include "kafka/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/byte_reader.h"
#include "kafka/handlers.h"
#include "kafka/produce_requests.h"
#include "kafka/reply.h"
#include "wire/alter_configs.h"
#include "wire/api_table.h"
#include "wire/api_versions.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_groups.h"
#include "wire/delete_records.h"
#include "wire/delete_topics.h"
#include "wire/describe_cluster.h"
#include "wire/describe_configs.h"
#include "wire/describe_groups.h"
#include "wire/describe_log_dirs.h"
#include "wire/describe_topic_partitions.h"
#include "wire/fetch.h"
#include "wire/find_coordinator.h"
#include "wire/heartbeat.h"
#include "wire/incremental_alter_configs.h"
#include "wire/init_producer_id.h"
#include "wire/join_group.h"
#include "wire/leave_group.h"
#include "wire/list_groups.h"
#include "wire/list_offsets.h"
#include "wire/list_partition_reassignments.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"
#include "wire/offset_delete.h"
#include "wire/offset_fetch.h"
#include "wire/offset_for_leader_epoch.h"
#include "wire/produce.h"
#include "wire/request_frame.h"
#include "wire/sync_group.h"

namespace magpie::kafka {
namespace {

using wire::ApiKey;

// False if the body does not decode.
using DecodeAndHandle = bool (*)(Broker&, const Request&, ByteReader&);

template <typename Body>
bool decode_and_handle(Broker& broker, const Request& request, ByteReader& in) {
  Body body;
  if (!decode(in, body, request.version)) return false;
  handle(broker, request, std::move(body));
  return true;
}

struct Row {
  ApiKey key;
  DecodeAndHandle serve;
};

template <typename Body>
constexpr Row row() {
  return {Body::kApi, decode_and_handle<Body>};
}

constexpr Row kRows[] = {
    row<wire::ProduceRequest>(),
    row<wire::FetchRequest>(),
    row<wire::ListOffsetsRequest>(),
    row<wire::MetadataRequest>(),
    row<wire::OffsetCommitRequest>(),
    row<wire::OffsetFetchRequest>(),
    row<wire::FindCoordinatorRequest>(),
    row<wire::JoinGroupRequest>(),
    row<wire::HeartbeatRequest>(),
    row<wire::LeaveGroupRequest>(),
    row<wire::SyncGroupRequest>(),
    row<wire::DescribeGroupsRequest>(),
    row<wire::ListGroupsRequest>(),
    row<wire::ApiVersionsRequest>(),
    row<wire::CreateTopicsRequest>(),
    row<wire::DeleteTopicsRequest>(),
    row<wire::DeleteRecordsRequest>(),
    row<wire::InitProducerIdRequest>(),
    row<wire::OffsetForLeaderEpochRequest>(),
    row<wire::DescribeConfigsRequest>(),
    row<wire::AlterConfigsRequest>(),
    row<wire::DescribeLogDirsRequest>(),
    row<wire::CreatePartitionsRequest>(),
    row<wire::DeleteGroupsRequest>(),
    row<wire::IncrementalAlterConfigsRequest>(),
    row<wire::ListPartitionReassignmentsRequest>(),
    row<wire::OffsetDeleteRequest>(),
    row<wire::DescribeClusterRequest>(),
    row<wire::DescribeTopicPartitionsRequest>(),
};

const Row* find_row(int16_t key) {
  const auto* found = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& candidate) {
    return static_cast<int16_t>(candidate.key) == key;
  });
  return found == std::end(kRows) ? nullptr : found;
}

std::string describe(const Request& request) {
  const wire::ApiInfo* api = wire::find_api(request.api_key);
  return fmt::format("{} version {} from {} (client id '{}')",
                     api == nullptr ? fmt::format("API {}", request.api_key) : api->name,
                     request.version, request.peer, request.client_id);
}

void close(Broker& broker, const Request& request, const char* code, std::string text) {
  ++broker.statistics.requests_refused;
  broker.effects.add(port::LogLine{port::Severity::kWarning, code, std::move(text)});
  broker.connections.close(request.id.connection, broker.effects);
}

// ApiVersions in a version we do not know is answered in version 0, which every client can read
// (KIP-511); Produce 0 to 2 can be answered in kind. Anything else would be misread.
void refuse_version(Broker& broker, Request& request, ByteReader& in) {
  if (request.api_key == static_cast<int16_t>(ApiKey::kApiVersions)) {
    request.version = 0;
    return reply(broker, request, unsupported_api_versions());
  }
  wire::ProduceRequest produce;
  if (request.api_key == static_cast<int16_t>(ApiKey::kProduce) &&
      wire::api_info(ApiKey::kProduce).described.contains(request.version) &&
      decode(in, produce, request.version)) {
    return broker.produces.refuse(broker, request, produce, wire::ErrorCode::kUnsupportedVersion);
  }
  close(broker, request, "unsupported_version",
        fmt::format("closed a connection: {} is not served", describe(request)));
}

}  // namespace

void dispatch(Broker& broker, port::ConnectionId connection, Buffer frame) {
  const Connections::Info* info = broker.connections.find(connection);
  Request request{.listener = info->listener, .peer = info->peer};
  request.id = broker.connections.begin(connection, frame.size(), broker.effects);

  ByteReader in(std::move(frame));
  wire::RequestHeader header;
  const wire::HeaderOutcome outcome = wire::read_request_header(in, header);
  request.api_key = header.request_api_key;
  request.version = header.request_api_version;
  request.correlation_id = header.correlation_id;
  request.client_id = std::move(header.client_id).value_or("");

  const Row* found = find_row(request.api_key);
  if (outcome == wire::HeaderOutcome::kUnsupportedVersion) {
    return refuse_version(broker, request, in);
  }
  if (outcome == wire::HeaderOutcome::kUnknownApi || found == nullptr) {
    return close(broker, request, "unknown_api",
                 fmt::format("closed a connection: {} is not offered", describe(request)));
  }
  ++broker.statistics.requests[request.api_key];
  if (outcome == wire::HeaderOutcome::kServe && found->serve(broker, request, in)) return;
  close(broker, request, "malformed_request",
        fmt::format("closed a connection: malformed {}", describe(request)));
}

}  // namespace magpie::kafka
