// A Kafka client for tests: one connection to the node of a harness, requests as structures. It
// connects when it is first used.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "base/byte_reader.h"
#include "node/testing/node_harness.h"
#include "wire/api_table.h"
#include "wire/error_code.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::wire {

// How a failed comparison of error codes reads.
inline void PrintTo(ErrorCode code, std::ostream* out) {
  *out << to_string(code);
}

}  // namespace magpie::wire

namespace magpie::node::testing {

// The newest version of a request that the node serves.
template <typename Request>
int newest_served() {
  return wire::api_info(Request::kApi).served.high;
}

class TestClient {
 public:
  explicit TestClient(NodeHarness& harness, std::string client_id = "test",
                      port::ListenerIndex listener = {0})
      : harness_(harness), client_id_(std::move(client_id)), listener_(listener) {}

  // Sends a request and does not wait for the answer, which must be taken in turn.
  template <typename Request>
  void send(const Request& request, int version) {
    const Buffer frame =
        flatten(wire::frame_request(request, version, next_correlation_id_++, client_id_));
    harness_.send(connection(), frame.slice(4, frame.size() - 4));
  }

  // The next answer, if it is there. Fails the test if it is not well formed or not in turn.
  template <typename Response>
  std::optional<Response> take(int version) {
    auto frame = take_frame();
    if (!frame) return std::nullopt;
    ByteReader in(Buffer::copy_of(*frame));
    EXPECT_EQ(in.read_int32(), next_answer_++) << "answers come in the order of the requests";
    if (wire::response_header_version(Response::kApi, version) >= 1) {
      EXPECT_EQ(in.read_unsigned_varint(), 0u) << "tags in the header";
    }
    Response response;
    EXPECT_TRUE(decode(in, response, version) && in.ok()) << wire::to_string(Response::kApi);
    EXPECT_EQ(in.remaining(), 0u) << wire::to_string(Response::kApi);
    return response;
  }

  // Sends a request and takes its answer, which must come without time passing.
  template <typename Response, typename Request>
  Response call(const Request& request, int version = newest_served<Request>()) {
    send(request, version);
    auto response = take<Response>(version);
    EXPECT_TRUE(response) << wire::to_string(Request::kApi) << " version " << version
                          << " was not answered";
    return response ? std::move(*response) : Response();
  }

  // The next answer as it came, without its size prefix.
  std::optional<std::string> take_frame();
  // A frame as it stands; for requests that no encoder makes.
  void send_bytes(const Buffer& frame);
  // An answer to a request that has none is not to be waited for.
  void skip_answer() { ++next_answer_; }

  bool is_open() { return harness_.connection(connection()).open; }
  bool is_read() { return harness_.connection(connection()).reading; }
  void disconnect() { harness_.disconnect(connection()); }
  // The next request goes over a new connection; answers still due are not waited for.
  void forget_connection();

 private:
  port::ConnectionId connection();

  NodeHarness& harness_;
  std::string client_id_;
  port::ListenerIndex listener_;
  std::optional<port::ConnectionId> connection_;
  int32_t next_correlation_id_ = 1;
  int32_t next_answer_ = 1;
};

}  // namespace magpie::node::testing
