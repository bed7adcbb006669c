// Carries requests of a store client to one of the store's endpoints and sorts what comes back.
//
// One endpoint is used at a time; when a call to it fails, the next one is. Once all have failed in
// turn, there is a pause before the next attempt, growing with jitter. Nothing is sent again by the
// courier itself: whoever asked knows whether that is safe, and asks again when may_send().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "port/effect.h"
#include "port/event.h"
#include "store/codec.h"

namespace magpie::store {

struct CourierConfig {
  std::vector<std::string> endpoints;  // "http://host:port"; at least one
  std::string user;                    // empty: no authentication
  std::string password;
  // A store whose leader died holds requests until it has another; asking again is quicker.
  Duration request_timeout = Duration::seconds(2);
  Duration pause_min = Duration::milliseconds(100);
  Duration pause_max = Duration::seconds(5);
  // The number of the first call; later ones count up.
  uint64_t first_call = 1;
};

// What became of a call.
struct Reply {
  enum class Kind {
    kAnswered,  // `body` is the answer; empty if the call was streaming
    kRefused,   // the store said no, and why; it did not do what was asked
    kLost,      // nobody knows whether the store did what was asked
  };
  Kind kind = Kind::kLost;
  std::string body;
  StoreError error;
  Instant sent_at;
  Revision known_when_sent = 0;
};

class Courier {
 public:
  Courier(CourierConfig config, Random random);

  // False during a pause, and until there is a token if one is needed.
  bool may_send(Instant now) const;
  // REQUIRES: may_send(). `known` comes back in the reply. A timeout that is shorter than that of
  // the configuration may be given.
  port::HttpCallId send(Instant now, const Request& request, Revision known, port::Effects& effects,
                        Duration timeout = Duration::max());
  // Nothing more is heard of the call.
  void cancel(port::HttpCallId call, port::Effects& effects);
  void cancel_all(port::Effects& effects);

  // A call may be answered by another endpoint if this one does not.
  bool has_other_endpoints() const { return config_.endpoints.size() > 1; }

  bool owns(port::HttpCallId call) const { return calls_.contains(call); }
  // Ends a call; `stream_rest` is what was left of its stream, for a refusal.
  // Nothing if it was the courier's own.
  // REQUIRES: owns(done.call).
  std::optional<Reply> finish(Instant now, const port::HttpCallDone& done,
                              std::string_view stream_rest);
  // An answer came, but what it says makes no sense or is a refusal that should not be. The
  // endpoint is left. If this goes on it is reported like a store that does not answer, however
  // well other requests fare; it is over when there was none for a while.
  void note_trouble(Instant now, std::string message);
  // A stream said that the token is no longer valid.
  void forget_token() { token_.reset(); }

  // Ends a pause that is over, and asks for a token if one is needed.
  void pump(Instant now, port::Effects& effects);
  Instant next_deadline() const { return pausing_ ? pause_until_ : Instant::never(); }

  // Nothing can be sent before the store has answered.
  bool authenticating() const { return authenticating_; }
  // The endpoint in use; changes when it fails.
  size_t endpoint() const { return endpoint_; }
  // The last failure, once every endpoint has failed in turn.
  const std::optional<Error>& unreachable() const { return unreachable_; }

 private:
  struct Call {
    size_t endpoint = 0;
    Instant sent_at;
    Revision known = 0;
    bool is_authentication = false;
    uint64_t token = 0;  // number of the token used
  };

  port::HttpCallId post(const Request& request, Call call, Duration timeout,
                        port::Effects& effects);
  void failed(Instant now, size_t endpoint, std::string message);
  void answered(Instant now);
  void pause(Instant now, uint32_t doublings);
  void finish_authentication(Instant now, const port::HttpCallDone& done, const Call& call);
  Reply sort_refusal(Instant now, const Call& call, StoreError error);

  CourierConfig config_;
  Random random_;
  uint64_t next_call_;
  std::map<port::HttpCallId, Call> calls_;
  size_t endpoint_ = 0;
  uint32_t failures_ = 0;  // in a row
  uint32_t troubles_ = 0;
  Instant last_trouble_;
  bool pausing_ = false;
  Instant pause_until_;
  std::optional<Error> unreachable_;
  std::optional<std::string> token_;  // empty: the store asks for none
  uint64_t token_number_ = 0;
  bool token_proven_ = false;  // a request with it was answered
  bool authenticating_ = false;
};

}  // namespace magpie::store
