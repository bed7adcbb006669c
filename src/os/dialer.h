// Opens connections to other servers. Private to this folder.
//
// A host name may stand for several addresses: they are tried one after the other until one
// answers, each with an equal share of the time, so that a dead first address does not use it up.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "os/asio.h"
#include "os/resolver.h"

namespace magpie::os {

// One attempt. It goes on until it has called back or is destroyed; destroying it from within the
// callback is allowed.
class Dial {
 public:
  using OnDone = std::function<void(Result<tcp::socket>)>;
  using Prepare = std::function<void(tcp::socket&)>;

  // Calls `done` once from the loop, never from within this call: with a connected socket that does
  // not block, or with kUnavailable and a sentence. `prepare` may set options on each socket before
  // it connects. `resolver` and the loop must live longer.
  Dial(asio::io_context& context, Resolver& resolver, const std::string& host, uint16_t port,
       Duration timeout, Prepare prepare, OnDone done);
  ~Dial();

 private:
  class Attempt;
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace magpie::os
