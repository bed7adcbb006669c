// A node that answers what a test says, for tests of commands.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "os/testing.h"
#include "server/testing.h"

namespace magpie::server {

// An admin port that answers every request with the same status and body, or not at all.
class FakeNode {
 public:
  FakeNode(int status, std::string body)
      : machine_([this, status, body = std::move(body)](const port::Event& event,
                                                        port::Effects& effects) {
          const auto* request = std::get_if<port::HttpRequestReceived>(&event);
          if (request == nullptr) return;
          asked = request->method + " " + request->target + " " + request->body;
          if (status != 0) effects.add(port::HttpRespond{request->exchange, status, "", body});
        }),
        driver_(machine_) {}
  FakeNode(int status, const nlohmann::json& body) : FakeNode(status, body.dump()) {}

  CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--admin", loopback(driver_.admin_port())});
    return run_magpie(std::move(arguments));
  }
  std::string address() const { return loopback(driver_.admin_port()); }
  uint16_t kafka_port() const { return driver_.port(); }

  std::string asked;

 private:
  os::ScriptedMachine machine_;
  os::RunningDriver driver_;
};

}  // namespace magpie::server
