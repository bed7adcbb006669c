// An answer with several items that become known one by one.
#pragma once

#include <cstddef>
#include <memory>

#include "kafka/broker.h"
#include "kafka/reply.h"

namespace magpie::kafka {

// Shared by the continuations of one request; the last one to finish sends the answer.
template <typename Response>
struct Gathering {
  Request request;
  Response response;
  size_t missing = 0;
};

template <typename Response>
std::shared_ptr<Gathering<Response>> gather(const Request& request) {
  auto gathering = std::make_shared<Gathering<Response>>();
  gathering->request = request;
  gathering->missing = 1;  // the handler itself, until it has asked for everything
  return gathering;
}

// One item is in place (or the handler has asked for everything).
template <typename Response>
void one_done(Broker& broker, Gathering<Response>& gathering) {
  if (--gathering.missing == 0) reply(broker, gathering.request, gathering.response);
}

}  // namespace magpie::kafka
