#include "node/testing/test_client.h"

namespace magpie::node::testing {

port::ConnectionId TestClient::connection() {
  if (!connection_) connection_ = harness_.connect(listener_);
  return *connection_;
}

void TestClient::forget_connection() {
  connection_.reset();
  next_answer_ = next_correlation_id_;
}

std::optional<std::string> TestClient::take_frame() {
  std::string& received = harness_.connection(connection()).received;
  if (received.size() < 4) return std::nullopt;
  ByteReader prefix(Buffer::copy_of(received.substr(0, 4)));
  const auto size = static_cast<size_t>(prefix.read_int32());
  EXPECT_GE(received.size(), 4 + size) << "the node sends whole frames";
  std::string frame = received.substr(4, size);
  received.erase(0, 4 + size);
  return frame;
}

void TestClient::send_bytes(const Buffer& frame) {
  ++next_correlation_id_;
  harness_.send(connection(), frame);
}

}  // namespace magpie::node::testing
