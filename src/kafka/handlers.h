// One handler per API, each in the file of its name: handle_metadata.cc and so on.
//
// A handler gets a decoded request, answers it now or hands it to the object that will, and answers
// exactly once. What it must not do: wait, keep references to `broker`, or answer for another API.
#pragma once

#include "kafka/broker.h"

namespace magpie::wire {
struct AlterConfigsRequest;
struct ApiVersionsRequest;
struct ApiVersionsResponse;
struct CreatePartitionsRequest;
struct CreateTopicsRequest;
struct DeleteGroupsRequest;
struct DeleteRecordsRequest;
struct DeleteTopicsRequest;
struct DescribeClusterRequest;
struct DescribeConfigsRequest;
struct DescribeGroupsRequest;
struct DescribeLogDirsRequest;
struct DescribeTopicPartitionsRequest;
struct FetchRequest;
struct FindCoordinatorRequest;
struct HeartbeatRequest;
struct IncrementalAlterConfigsRequest;
struct InitProducerIdRequest;
struct JoinGroupRequest;
struct LeaveGroupRequest;
struct ListGroupsRequest;
struct ListOffsetsRequest;
struct ListPartitionReassignmentsRequest;
struct MetadataRequest;
struct OffsetCommitRequest;
struct OffsetDeleteRequest;
struct OffsetFetchRequest;
struct OffsetForLeaderEpochRequest;
struct ProduceRequest;
struct SyncGroupRequest;
}  // namespace magpie::wire

namespace magpie::kafka {

// Answer to ApiVersions in a version we do not know: our own range of it, in version 0.
wire::ApiVersionsResponse unsupported_api_versions();

void handle(Broker& broker, const Request& request, wire::AlterConfigsRequest body);
void handle(Broker& broker, const Request& request, wire::ApiVersionsRequest body);
void handle(Broker& broker, const Request& request, wire::CreatePartitionsRequest body);
void handle(Broker& broker, const Request& request, wire::CreateTopicsRequest body);
void handle(Broker& broker, const Request& request, wire::DeleteGroupsRequest body);
void handle(Broker& broker, const Request& request, wire::DeleteRecordsRequest body);
void handle(Broker& broker, const Request& request, wire::DeleteTopicsRequest body);
void handle(Broker& broker, const Request& request, wire::DescribeClusterRequest body);
void handle(Broker& broker, const Request& request, wire::DescribeConfigsRequest body);
void handle(Broker& broker, const Request& request, wire::DescribeGroupsRequest body);
void handle(Broker& broker, const Request& request, wire::DescribeLogDirsRequest body);
void handle(Broker& broker, const Request& request, wire::DescribeTopicPartitionsRequest body);
void handle(Broker& broker, const Request& request, wire::FetchRequest body);
void handle(Broker& broker, const Request& request, wire::FindCoordinatorRequest body);
void handle(Broker& broker, const Request& request, wire::HeartbeatRequest body);
void handle(Broker& broker, const Request& request, wire::IncrementalAlterConfigsRequest body);
void handle(Broker& broker, const Request& request, wire::InitProducerIdRequest body);
void handle(Broker& broker, const Request& request, wire::JoinGroupRequest body);
void handle(Broker& broker, const Request& request, wire::LeaveGroupRequest body);
void handle(Broker& broker, const Request& request, wire::ListGroupsRequest body);
void handle(Broker& broker, const Request& request, wire::ListOffsetsRequest body);
void handle(Broker& broker, const Request& request, wire::ListPartitionReassignmentsRequest body);
void handle(Broker& broker, const Request& request, wire::MetadataRequest body);
void handle(Broker& broker, const Request& request, wire::OffsetCommitRequest body);
void handle(Broker& broker, const Request& request, wire::OffsetDeleteRequest body);
void handle(Broker& broker, const Request& request, wire::OffsetFetchRequest body);
void handle(Broker& broker, const Request& request, wire::OffsetForLeaderEpochRequest body);
void handle(Broker& broker, const Request& request, wire::ProduceRequest body);
void handle(Broker& broker, const Request& request, wire::SyncGroupRequest body);

}  // namespace magpie::kafka
