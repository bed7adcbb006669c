// Feeds arbitrary bytes to what reads requests from clients and answers from stores. The first byte
// chooses; none may crash, and what is accepted must survive being written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "store/codec.h"
#include "store/line_splitter.h"

namespace magpie::store {
namespace {

void fuzz_request(uint8_t choice, std::string_view body) {
  const Request kinds[] = {
      RangeRequest{},           PutRequest{},         DeleteRangeRequest{},    TxnRequest{},
      CompactionRequest{},      LeaseGrantRequest{},  LeaseKeepAliveRequest{}, LeaseRevokeRequest{},
      LeaseTimeToLiveRequest{}, WatchCreateRequest{}, AuthenticateRequest{}};
  const char* path = path_of(kinds[choice % std::size(kinds)]);
  const auto request = decode_request(path, body);
  if (!request || std::holds_alternative<AuthenticateRequest>(*request)) return;
  const auto again = decode_request(path, encode(*request));
  CHECK(again.has_value() && *again == *request);
}

template <typename T>
void fuzz_response(std::string_view body) {
  const auto response = decode_response<T>(body);
  if (!response) return;
  const auto again = decode_response<T>(encode_response(*response));
  CHECK(again.has_value());
}

void fuzz_stream(std::string_view bytes) {
  LineSplitter splitter(256);
  while (!bytes.empty()) {
    const size_t length = std::min<size_t>(bytes.size(), 1 + static_cast<uint8_t>(bytes[0]) % 40);
    if (!splitter.add(bytes.substr(0, length))) return;
    while (auto line = splitter.next()) {
      CHECK(line->size() <= 256 + 40);
      fuzz_response<WatchResponse>(*line);
      decode_stream_error(*line);
    }
    bytes.remove_prefix(length);
  }
}

}  // namespace
}  // namespace magpie::store

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace magpie::store;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] >= 8) fuzz_request(data[0], bytes);
  if (data[0] == 0) fuzz_response<RangeResponse>(bytes);
  if (data[0] == 1) fuzz_response<TxnResponse>(bytes);
  if (data[0] == 2) fuzz_response<WatchResponse>(bytes);
  if (data[0] == 3) fuzz_response<LeaseTimeToLiveResponse>(bytes);
  if (data[0] == 4) fuzz_stream(bytes);
  if (data[0] == 5) decode_error(400, bytes);
  return 0;
}
