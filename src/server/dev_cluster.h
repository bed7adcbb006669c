// A whole cluster of processes on this machine, kept in sight.
//
// The control store starts first, the nodes when all of it answers. A process that ends by itself
// is reported and, if wanted, started again; one that was killed by order stays dead until it is
// started by order. When this process ends, all of them do.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "server/dev_plan.h"
#include "server/dev_wan.h"

namespace magpie::server {

class DevCluster {
 public:
  // Both must live longer; `wan` may be null.
  DevCluster(boost::asio::io_context& context, const DevPlan& plan, DevWan* wan);
  // Kills what is left.
  ~DevCluster();
  DevCluster(const DevCluster&) = delete;
  DevCluster& operator=(const DevCluster&) = delete;

  // Called with one line about what happened, for people.
  std::function<void(const std::string&)> on_event;
  // Called once, when every node has been ready.
  std::function<void()> on_ready;
  // Called once, when nothing runs any more after stop().
  std::function<void()> on_stopped;

  // Error: the store could not be started.
  Status start();
  // A child may have ended.
  void reap();
  // Ends the nodes in order, then the store. What takes longer than 13 seconds is killed; so is
  // everything when it is called again.
  void stop();

  // Orders by name of a process; "store" names all of the control store, as far as they are not
  // yet what is wanted. Error: a sentence that says why not.
  Status kill(const std::string& name);
  Status end(const std::string& name);  // in order
  Status pause(const std::string& name);
  Status resume(const std::string& name);
  Status start_again(const std::string& name);
  // Removes the data of a node that does not run.
  Status erase(const std::string& name);

  // Everything that DATA/dev.json says.
  nlohmann::json describe() const;
  const DevPlan& plan() const { return plan_; }
  DevWan* wan() const { return wan_; }

 private:
  struct Child;

  // Those of that name that run, or that do not. Error: there are none.
  Result<std::vector<Child*>> find(const std::string& name, bool running);
  Status signal_by_order(const std::string& name, int number);
  nlohmann::json describe(const Child& child) const;
  Status launch(Child& child);
  void launch_nodes();
  void watch_health(Child& child);
  void became_ready(Child& child);
  void on_end(Child& child, int wait_status);
  void restart_later(Child& child);
  void signal_all(int number, bool nodes);
  void proceed_with_stop();
  void publish();

  boost::asio::io_context& context_;
  const DevPlan& plan_;
  DevWan* const wan_;
  std::vector<std::unique_ptr<Child>> children_;  // the control store first
  bool was_ready_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  bool store_told_ = false;  // to stop
};

// Obeys one line, as `magpie dev tell` sends it. "ok", "ok …" or "error: …".
std::string obey(DevCluster& cluster, const std::string& line);

}  // namespace magpie::server
