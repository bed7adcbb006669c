// Runs one node against the real world.
//
// The driver decides nothing: it turns what sockets, disk, clock and signals report into events,
// steps the machine, and carries out the effects. It works in turns: collect what has happened,
// step the machine for each event, then carry out all effects in order, so that many requests that
// arrive together share writes, syncs and packets. One thread runs the loop; only the disk has
// workers of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/data_lock.h"
#include "os/disk.h"
#include "os/event_loop.h"
#include "os/file_calls.h"
#include "os/http_client.h"
#include "os/http_server.h"
#include "os/log_sink.h"
#include "os/machine.h"
#include "os/network.h"

namespace magpie::os {

struct DriverConfig {
  std::vector<ListenerConfig> listeners;
  NetworkLimits network;
  LinkConfig links;
  std::optional<HttpConfig> admin;
  HttpClientConfig http_client;
  DiskConfig disk;  // disk.directory is the data directory
};

// Exit codes of a process that runs a driver.
inline constexpr int kExitStopped = 0;
inline constexpr int kExitFailed = 2;  // the node cannot serve; a restart would not help

class Driver {
 public:
  // Locks the data directory and opens all listeners. `machine`, `log` and `calls` must live
  // longer. Error: a sentence for the operator; nothing is open then.
  static Result<std::unique_ptr<Driver>> open(const DriverConfig& config, Machine& machine,
                                              LogSink& log, FileCalls& calls);
  ~Driver();

  // Runs until the machine has stopped or failed. Returns the exit code.
  int run();

  // An eventfd; writing to it requests an orderly stop. Usable from a signal handler and from any
  // thread.
  int stop_descriptor() const { return stop_descriptor_; }

  uint16_t port(port::ListenerIndex listener) const { return network_->port(listener); }
  // REQUIRES: the configuration has an admin port.
  uint16_t admin_port() const { return admin_->port(); }
  DiskCounters disk_counters() const { return disk_->counters(); }

 private:
  struct Carrier;

  Driver(Machine& machine, LogSink& log);
  Status open_all(const DriverConfig& config, FileCalls& calls);

  void run_turn();
  Duration until_next_deadline() const;
  void step_all();
  void carry_out_all();

  Machine& machine_;
  LogSink& log_;
  Now now_;
  int stop_descriptor_ = -1;
  std::vector<port::Event> inbox_;   // what has happened and was not stepped yet
  std::vector<port::Event> events_;  // what is being stepped
  port::Effects effects_;

  EventLoop loop_;
  std::unique_ptr<DataLock> lock_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<HttpServer> admin_;
  std::unique_ptr<HttpClient> http_client_;
};

}  // namespace magpie::os
