// Listeners, client connections, and links: connections between nodes, in both directions.
//
// The problem: thousands of clients, some of them slow, silent, hostile or all reconnecting at
// once, must not hurt those that behave. The idea: everything happens in turns of one loop. A turn
// reads a bounded amount from each connection that has bytes, the node decides, and the responses
// that came out for one connection leave together in one gathered write. Every limit is in
// network_config.h, with what happens there.
//
// The guarantee: frames of a connection come out in order and whole; ConnectionClosed is its last
// event. When a peer closes its half, the node hears it at once; responses of the same turn, and
// those already queued, are still sent.
//
// Links are few, long-lived and may be far: they have limits of their own (LinkConfig), and with
// TLS both sides prove by certificate who they are before the node hears of them. A Connect ends in
// ConnectionOpened or ConnectionClosed; what is sent before ConnectionOpened is lost.
//
// What it does not do: it does not look into frames, does not connect again by itself, and speaks
// no TLS with clients yet (stream.h is the place).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/event_loop.h"
#include "os/log_sink.h"
#include "os/network_config.h"
#include "port/effect.h"
#include "port/event.h"

namespace magpie::os {

class Resolver;

class Network {
 public:
  // Events are appended to `events`, log lines go to `log`. All arguments must live longer.
  Network(EventLoop& loop, Resolver& resolver, const NetworkLimits& limits, const LinkConfig& links,
          LogSink& log, std::vector<port::Event>& events);
  ~Network();

  // Opens all listeners, in the order of their ListenerIndex. Error: says which address cannot be
  // listened on, why, and what to do; nothing is open then.
  Status listen(const std::vector<ListenerConfig>& listeners);

  // The port that a listener really has.
  uint16_t port(port::ListenerIndex listener) const;

  // Begins a turn at `now`: reading goes on where it was interrupted, deadlines are checked.
  void begin_turn(const Now& now);

  void carry_out(const port::Connect& effect);
  void carry_out(port::Send effect);
  void carry_out(const port::CloseConnection& effect);
  void carry_out(const port::SetReading& effect);
  void carry_out(const port::StopListening& effect);

  // Ends a turn: writes what the turn has queued.
  void flush();

  // When begin_turn() has something to do even if nothing arrives.
  Instant next_deadline() const;

  size_t connections() const;
  uint64_t queued_bytes() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace magpie::os
