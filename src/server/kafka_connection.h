// A Kafka client's connection for commands: one request at a time, each waited for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "base/byte_reader.h"
#include "base/result.h"
#include "base/time.h"
#include "server/config_text.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::server {

class KafkaConnection {
 public:
  // `timeout`: of connecting and of each exchange.
  explicit KafkaConnection(Duration timeout);
  ~KafkaConnection();

  // kUnavailable if nobody can be reached there.
  Status connect(const HostPort& address);

  // kUnavailable if the connection fails or nothing comes in time; then it is of no more use, and
  // nobody knows whether the request was carried out. kCorrupt: what came is no answer to it.
  template <typename Response, typename Request>
  Result<Response> call(const Request& request, int version) {
    const auto answer =
        exchange(wire::frame_request(request, version, ++correlation_, std::string("magpie")));
    if (!answer) return fail(answer.error());
    ByteReader in(*answer);
    const bool ours = in.remaining() >= 4 && in.read_int32() == correlation_;
    if (ours && wire::response_header_version(Response::kApi, version) > 0) {
      in.read_unsigned_varint();
    }
    Response response;
    if (!ours || !decode(in, response, version)) {
      return fail(ErrorKind::kCorrupt, "the answer is not one of a Kafka broker");
    }
    return response;
  }

 private:
  struct Socket;
  // Sends a frame and returns the next one without its size.
  Result<Buffer> exchange(const BufferChain& frame);

  Duration timeout_;
  std::unique_ptr<Socket> socket_;
  int32_t correlation_ = 0;
};

}  // namespace magpie::server
