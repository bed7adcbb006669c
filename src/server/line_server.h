// Answers lines with lines over TCP, for `magpie dev tell` and harnesses.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/config_text.h"

namespace boost::asio {
class io_context;
}

namespace magpie::server {

class LineServer {
 public:
  using Answer = std::function<std::string(const std::string& line)>;

  // `answer` is called from the loop for each line and returns one line, without its end. A line
  // of more than 4 KiB closes its connection, as does a connection beyond the sixteenth.
  LineServer(boost::asio::io_context& context, Answer answer);
  ~LineServer();

  // Error: a sentence for the operator.
  Status listen(const HostPort& address);
  void close();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

// Sends one line to such a server and returns its answer. Error: a sentence for the operator.
Result<std::string> ask_line(const HostPort& address, const std::string& line);

}  // namespace magpie::server
