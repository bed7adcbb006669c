// Relays for the harnesses that run real processes: named links, changed by lines on standard
// input.
//
//   magpie-relay bj-sh=127.0.0.1:9400 sh-bj=127.0.0.1:9300
//
// prints `bj-sh 40123` for each link when it listens, then obeys, one line each, and answers `ok`
// or `error: …`:
//
//   bj-sh both delay=20ms rate=50MB     there: towards the target; back; both
//   bj-sh cut                           close its connections, refuse new ones
//   bj-sh open                          accept again
//   bj-sh bytes                         answers `ok <bytes there> <bytes back> <connections>`
//
// It ends with its standard input.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>
//
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

#include "relay/relay.h"

namespace {

namespace asio = boost::asio;
using magpie::relay::Conditions;
using magpie::relay::Relay;

using Links = std::map<std::string, std::unique_ptr<Relay>>;

// "name=host:port"; false if it is not.
bool add_link(asio::io_context& context, Links& links, const std::string& text) {
  const size_t equals = text.find('=');
  const size_t colon = text.rfind(':');
  if (equals == std::string::npos || colon == std::string::npos || colon < equals) return false;
  magpie::relay::Address target;
  target.host = text.substr(equals + 1, colon - equals - 1);
  target.port = static_cast<uint16_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10));
  const std::string name = text.substr(0, equals);
  auto link = std::make_unique<Relay>(context, target, links.size() + 1);
  if (const auto listening = link->listen({}); !listening) {
    fmt::print(stderr, "error: {}\n", listening.error().message);
    return false;
  }
  fmt::print("{} {}\n", name, link->port());
  links[name] = std::move(link);
  return true;
}

std::string change_conditions(Relay& link, const std::string& direction, const std::string& what) {
  Conditions there = link.there();
  Conditions back = link.back();
  magpie::Status changed;
  if (direction != "back") changed = change(there, what);
  if (changed && direction != "there") changed = change(back, what);
  if (!changed) return "error: " + changed.error().message;
  link.set(there, back);
  return "ok";
}

std::string obey(Links& links, const std::string& line) {
  const size_t first = line.find(' ');
  const auto found = links.find(line.substr(0, first));
  if (found == links.end() || first == std::string::npos) return "error: no such link";
  Relay& link = *found->second;
  const size_t second = line.find(' ', first + 1);
  const std::string verb = line.substr(first + 1, second - first - 1);
  const std::string rest = second == std::string::npos ? "" : line.substr(second + 1);
  if (verb == "cut") {
    link.cut();
  } else if (verb == "open") {
    link.open();
  } else if (verb == "bytes") {
    return fmt::format("ok {} {} {}", link.bytes_there(), link.bytes_back(), link.connections());
  } else if (verb == "there" || verb == "back" || verb == "both") {
    return change_conditions(link, verb, rest);
  } else {
    return "error: there are there, back, both, cut, open and bytes";
  }
  return "ok";
}

class Commands {
 public:
  Commands(asio::io_context& context, Links& links)
      : context_(context), links_(links), input_(context, ::dup(STDIN_FILENO)) {}

  void read() {
    asio::async_read_until(input_, buffer_, '\n', [this](const auto& error, size_t length) {
      if (error) return context_.stop();
      const auto* bytes = static_cast<const char*>(buffer_.data().data());
      fmt::print("{}\n", obey(links_, std::string(bytes, length - 1)));
      std::fflush(stdout);
      buffer_.consume(length);
      read();
    });
  }

 private:
  asio::io_context& context_;
  Links& links_;
  asio::posix::stream_descriptor input_;
  asio::streambuf buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  asio::io_context context;
  Links links;
  for (int i = 1; i < argc; ++i) {
    if (!add_link(context, links, argv[i])) {
      fmt::print(stderr, "error: '{}' is not name=host:port\n", argv[i]);
      return 2;
    }
  }
  std::fflush(stdout);
  Commands commands(context, links);
  commands.read();
  context.run();
  return 0;
}
