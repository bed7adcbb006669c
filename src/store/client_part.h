// What the parts of a store client work with: the time, the way to the store, what is known of it,
// and where effects and events go.
#pragma once

#include "base/time.h"
#include "store/client_events.h"
#include "store/courier.h"
#include "store/store_sight.h"

namespace magpie::store {

struct ClientContext {
  Instant now;
  Courier& courier;
  StoreSight& sight;
  ClientOutput& out;

  bool may_send() const { return !sight.problem() && courier.may_send(now); }
  port::HttpCallId send(const Request& request, Duration timeout = Duration::max()) const {
    return courier.send(now, request, sight.highest(), out.effects, timeout);
  }
  // An answer's header, of a request that is linearizable or not. False: stop, nothing is trusted.
  bool check(const ResponseHeader& header, Revision at_least) const {
    return sight.check(header, at_least);
  }
  // What should not be: the endpoint is left, and the operator is told if it goes on.
  void trouble(std::string message) const { courier.note_trouble(now, std::move(message)); }
};

}  // namespace magpie::store
