#include "store/codec.h"

#include <gtest/gtest.h>

#include "store/base64.h"
#include "store/line_splitter.h"
#include "store/random_messages.h"

namespace magpie::store {
namespace {

template <typename T>
void expect_round_trip(const T& response) {
  const auto again = decode_response<T>(encode_response(response));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, response) << encode_response(response);
}

template <typename T>
T decoded(std::string_view body) {
  const auto response = decode_response<T>(body);
  EXPECT_TRUE(response.has_value()) << body;
  return response.value_or(T{});
}

TEST(StoreCodec, ReadsTheRequestsThatItWrites) {
  RandomMessages random(1);
  for (int i = 0; i < 300; ++i) {
    for (const Request& request : random.one_of_each_request()) {
      const auto again = decode_request(path_of(request), encode(request));
      ASSERT_TRUE(again.has_value()) << again.error().message;
      EXPECT_EQ(*again, request) << encode(request);
    }
  }
}

TEST(StoreCodec, ReadsTheResponsesThatItWrites) {
  RandomMessages random(2);
  for (int i = 0; i < 300; ++i) {
    expect_round_trip(random.range_response());
    expect_round_trip(random.txn_response());
    expect_round_trip(random.watch_response());
    expect_round_trip(random.time_to_live());
    expect_round_trip(PutResponse{random.header()});
    expect_round_trip(DeleteRangeResponse{random.header(), random.number()});
    expect_round_trip(CompactionResponse{random.header()});
    expect_round_trip(LeaseGrantResponse{random.header(), random.number(), random.number()});
    expect_round_trip(LeaseKeepAliveResponse{random.header(), random.number(), random.number()});
    expect_round_trip(LeaseRevokeResponse{random.header()});
    expect_round_trip(StatusResponse{random.header(), random.text(), random.number(), 7});
    expect_round_trip(AuthenticateResponse{random.header(), random.text()});
  }
}

// Recorded from etcd 3.4.23.
TEST(StoreCodec, ReadsWhatEtcdAnswers) {
  const auto range = decoded<RangeResponse>(
      R"({"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437",)"
      R"("revision":"3","raft_term":"2"},"kvs":[{"key":"YQ==","create_revision":"2",)"
      R"("mod_revision":"3","version":"2"}],"count":"1"})");
  EXPECT_EQ(range.header, (ResponseHeader{14841639068965178418U, 10276657743932975437U, 3, 2}));
  EXPECT_EQ(range.kvs, (std::vector<KeyValue>{{"a", "", 2, 3, 2, 0}}));

  const auto txn = decoded<TxnResponse>(
      R"({"header":{"cluster_id":"1","member_id":"2","revision":"4","raft_term":"2"},)"
      R"("succeeded":true,"responses":[{"response_put":{"header":{"revision":"4"}}},)"
      R"({"response_range":{"header":{"revision":"4"},"count":"1"}},)"
      R"({"response_delete_range":{"header":{"revision":"4"}}}]})");
  ASSERT_EQ(txn.responses.size(), 3U);
  EXPECT_EQ(std::get<PutResponse>(txn.responses[0]).header.revision, 4);
  EXPECT_EQ(std::get<RangeResponse>(txn.responses[1]).count, 1);
  EXPECT_EQ(std::get<DeleteRangeResponse>(txn.responses[2]).deleted, 0);

  const auto watch = decoded<WatchResponse>(
      R"({"result":{"header":{"cluster_id":"1","member_id":"2","revision":"6","raft_term":"2"},)"
      R"("events":[{"kv":{"key":"Yg==","create_revision":"4","mod_revision":"4","version":"1",)"
      R"("value":"eA=="}},{"type":"DELETE","kv":{"key":"Yg==","mod_revision":"5"}}]}})");
  EXPECT_EQ(watch.events[0], (WatchEvent{false, {"b", "x", 4, 4, 1, 0}}));
  EXPECT_EQ(watch.events[1], (WatchEvent{true, {"b", "", 0, 5, 0, 0}}));
  const auto gone = decoded<WatchResponse>(
      R"({"result":{"header":{"cluster_id":"1"},"canceled":true,"compact_revision":"4"}})");
  EXPECT_TRUE(gone.canceled);
  EXPECT_EQ(gone.compact_revision, 4);
  EXPECT_EQ(decoded<LeaseKeepAliveResponse>(R"({"result":{"header":{},"ID":"78"}})").ttl, 0);
}

TEST(StoreCodec, IsLiberalInWhatItReads) {
  const auto request = decode_request(
      "/v3/kv/txn",
      R"({"compare":[{"key":"_-8","target":2,"modRevision":5,"result":"EQUAL","new":1}],)"
      R"("success":[{"requestPut":{"key":"YQ","value":null,"lease":7}}],"failure":null})");
  ASSERT_TRUE(request.has_value()) << request.error().message;
  const auto& txn = std::get<TxnRequest>(*request);
  EXPECT_EQ(txn.compare[0],
            (Compare{"\xff\xef", CompareTarget::kMod, CompareResult::kEqual, 5, ""}));
  EXPECT_EQ(std::get<PutRequest>(txn.success[0]), (PutRequest{"a", "", 7}));
  const auto watch = decode_request("/v3/watch", R"({"createRequest":{"key":"YQ=="}})");
  EXPECT_EQ(std::get<WatchCreateRequest>(*watch).key, "a");
  EXPECT_TRUE(decode_request("/v3/kv/lease/revoke", R"({"ID":1})").has_value());
}

TEST(StoreCodec, RefusesWhatIsMalformed) {
  const auto code = [](const char* path, const char* body) {
    const auto request = decode_request(path, body);
    return request ? ErrorCode::kUnknown : request.error().code;
  };
  EXPECT_EQ(code("/v3/bogus", "{}"), ErrorCode::kNotFound);
  for (const char* body : {"", "not json", "[]", "1", R"({"key":1})", R"({"key":"="})",
                           R"({"key":"YQ==","limit":"x"})", R"({"limit":1.5})",
                           R"({"limit":18446744073709551615})", R"({"count_only":"yes"})"}) {
    EXPECT_EQ(code("/v3/kv/range", body), ErrorCode::kInvalidArgument) << body;
  }
  for (const char* body :
       {R"({"compare":[{"target":"BOGUS"}]})", R"({"compare":[{"target":9}]})", R"({"compare":{}})",
        R"({"success":[{}]})", R"({"success":[{"request_txn":{}}]})",
        R"({"compare":[{"key":"YQ==","range_end":"Yg=="}]})"}) {
    EXPECT_EQ(code("/v3/kv/txn", body), ErrorCode::kInvalidArgument) << body;
  }
  EXPECT_EQ(code("/v3/watch", R"({"progress_request":{}})"), ErrorCode::kUnimplemented);
  EXPECT_FALSE(decode_response<PutResponse>("{").has_value());
  EXPECT_FALSE(decode_response<PutResponse>("[]").has_value());
  EXPECT_FALSE(decode_response<WatchResponse>("{}").has_value());
  EXPECT_FALSE(decode_response<RangeResponse>(R"({"kvs":[{"key":5}]})").has_value());
}

TEST(StoreCodec, ReadsRefusalsOfAllGateways) {
  const StoreError compacted{ErrorCode::kOutOfRange, "etcdserver: mvcc: compacted"};
  EXPECT_EQ(decode_error(400, encode_error(compacted)), compacted);
  // The second version of the gateway has no field "error", and a list of details.
  EXPECT_EQ(
      decode_error(400, R"({"code":11,"message":"etcdserver: mvcc: compacted","details":[]})"),
      compacted);
  const char* stream_line =
      R"({"error":{"grpc_code":11,"http_code":400,"message":"etcdserver: mvcc: compacted",)"
      R"("http_status":"Bad Request"}})";
  EXPECT_EQ(decode_error(400, stream_line), compacted);
  EXPECT_EQ(decode_stream_error(stream_line), compacted);
  EXPECT_EQ(decode_stream_error(R"({"result":{}})"), std::nullopt);
  EXPECT_EQ(decode_error(503, "<html>").code, ErrorCode::kUnavailable);
  EXPECT_EQ(decode_error(404, "Not Found\n").code, ErrorCode::kNotFound);
  EXPECT_EQ(decode_error(200, "{}").code, ErrorCode::kUnknown);
}

TEST(StoreBase64, KnowsTheExamplesOfTheStandard) {
  const std::pair<const char*, const char*> examples[] = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  for (const char* bad : {"Z", "Zg=", "Zg===", "====", "Z=g=", "Zm9v=", "Zm 9", "Zm9vZ"}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

TEST(LineSplitter, CutsLinesHoweverTheyArrive) {
  const std::string text = "one\n\ntwo\nthree";
  for (size_t step = 1; step <= text.size(); ++step) {
    LineSplitter splitter(5);
    std::vector<std::string> lines;
    for (size_t i = 0; i < text.size(); i += step) {
      ASSERT_TRUE(splitter.add(text.substr(i, step)));
      while (auto line = splitter.next()) lines.push_back(*line);
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two"}));
    EXPECT_EQ(splitter.rest(), "three");
    EXPECT_FALSE(splitter.add("456"));
    EXPECT_FALSE(splitter.add("\n"));
  }
}

// Lines that were taken, and a long one in parts, in one stream.
TEST(LineSplitter, ALongLineEndsWhereItsLastPartDoes) {
  LineSplitter splitter(100);
  std::vector<std::string> lines;
  for (const char* part : {"a\nb", "bb", "bbb", "b\n\nc", "c\nd\n", "e"}) {
    ASSERT_TRUE(splitter.add(part));
    while (auto line = splitter.next()) lines.push_back(*line);
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "bbbbbbb", "", "cc", "d"}));
  EXPECT_EQ(splitter.rest(), "e");
  EXPECT_FALSE(splitter.add(std::string(100, 'e'))) << "all parts count";
}

}  // namespace
}  // namespace magpie::store
