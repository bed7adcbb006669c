// One client's connection to a node: sends requests, matches answers, gives up after a while.
//
// It connects when there is something to send. Kafka answers the requests of a connection in their
// order, exactly once; anything else is a violation. When the connection breaks or an answer is too
// late, everybody who waits hears "no answer", which says nothing about whether it was carried out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/byte_reader.h"
#include "sim/network.h"
#include "sim/scene.h"
#include "wire/api_table.h"
#include "wire/request_frame.h"
#include "wire/response_frame.h"

namespace magpie::sim {

class Session : public ClientEnd {
 public:
  // Whom it talks to, from where, and how long it waits for an answer while there are faults.
  struct Peer {
    Place from = 0;
    NetworkAddress address;
    Duration patience;
  };

  Session(Scene& scene, Network& network, Peer peer, std::string client_id)
      : scene_(scene),
        network_(network),
        peer_(std::move(peer)),
        client_id_(std::move(client_id)) {}

  // Sends `request`; `then` gets the answer or nothing, once, and not before call() has returned.
  template <typename Response, typename Request>
  void call(const Request& request, int version,
            std::function<void(std::optional<Response>)> then) {
    const int32_t correlation_id = next_correlation_id_++;
    auto take = [this, version, then = std::move(then)](ByteReader* in) {
      if (in == nullptr) return then(std::nullopt);
      Response response;
      if (!decode(*in, response, version) || !in->ok() || in->remaining() != 0) {
        return scene_.violate("protocol", "an answer does not decode as " +
                                              std::string(wire::to_string(Response::kApi)));
      }
      then(std::move(response));
    };
    const int header = wire::response_header_version(Request::kApi, version);
    send(wire::frame_request(request, version, correlation_id, client_id_),
         Pending{correlation_id, header, Request::kApi, std::move(take)});
  }

  // Sends a request that is not answered (Produce with acks=0).
  template <typename Request>
  void tell(const Request& request, int version) {
    if (!open()) return;
    network_.send(*connection_,
                  wire::frame_request(request, version, next_correlation_id_++, client_id_));
  }

  // Drops the connection; who waits hears "no answer".
  void disconnect();

  size_t waiting() const { return pending_.size(); }
  // The connection is gone, and not everybody who waited has heard of it.
  bool is_losing() const { return losing_ > 0; }

  void on_bytes(std::string_view bytes) override;
  void on_closed() override;

 private:
  struct Pending {
    int32_t correlation_id = 0;
    int header_version = 0;
    wire::ApiKey api;
    std::function<void(ByteReader*)> take;
  };

  bool open();
  void send(BufferChain frame, Pending pending);
  void take_frame(std::string_view frame);
  void give_up_on(uint64_t life, int32_t correlation_id, bool healed);
  void lose_all();
  void lose(Pending pending);

  Scene& scene_;
  Network& network_;
  const Peer peer_;
  std::string client_id_;
  std::optional<Network::Number> connection_;
  uint64_t life_ = 0;  // of the connection
  size_t losing_ = 0;
  std::string inbox_;
  std::deque<Pending> pending_;
  int32_t next_correlation_id_ = 1;
};

// A version of the API that the node serves, the newest in half of the cases.
int draw_version(Random& random, wire::ApiKey api, int lowest, int highest);

}  // namespace magpie::sim
