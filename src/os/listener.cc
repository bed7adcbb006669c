#include "os/listener.h"

#include <errno.h>
#include <fmt/format.h>

#include <boost/asio/ip/v6_only.hpp>

#include "os/address.h"

namespace magpie::os {
namespace {

// How long to wait when the process is short of descriptors or memory.
constexpr Duration kRetryAfter = Duration::milliseconds(100);

const char* advice(const ErrorCode& error) {
  if (error == asio::error::address_in_use) {
    return "stop the process that uses this port (ss -ltnp shows it) or choose another port";
  }
  if (error.value() == EADDRNOTAVAIL) {
    return "this machine does not have that address; listen on one of its own and set the "
           "advertised address to what clients use";
  }
  if (error == asio::error::access_denied) {
    return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher port";
  }
  return "choose another address";
}

}  // namespace

Result<std::vector<tcp::endpoint>> resolve(asio::io_context& context, const std::string& host,
                                           uint16_t port) {
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (!error) return std::vector<tcp::endpoint>{{address, port}};
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("cannot find the address of '{}': {}; use an IP address or a name that "
                            "resolves on this machine",
                            host, error.message()));
  }
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  return endpoints;
}

Result<tcp::acceptor> open_acceptor(asio::io_context& context, const tcp::endpoint& endpoint,
                                    ErrorCode* refused) {
  tcp::acceptor acceptor(context);
  ErrorCode& error = *refused;
  const auto attempt = [&](auto&& call) {
    if (!error) call();
  };
  attempt([&] { acceptor.open(endpoint.protocol(), error); });
  attempt([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  if (endpoint.address().is_v6()) {
    const bool only_v6 = !endpoint.address().is_unspecified();
    attempt([&] { acceptor.set_option(asio::ip::v6_only(only_v6), error); });
  }
  attempt([&] { acceptor.bind(endpoint, error); });
  attempt([&] { acceptor.listen(tcp::acceptor::max_listen_connections, error); });
  if (error) {
    return fail(ErrorKind::kIo, fmt::format("cannot listen on {}: {}; {}", to_text(endpoint),
                                            error.message(), advice(error)));
  }
  return acceptor;
}

Result<std::vector<tcp::acceptor>> open_acceptors(asio::io_context& context,
                                                  const ListenerConfig& config,
                                                  const std::string& what) {
  Result<std::vector<tcp::endpoint>> endpoints = resolve(context, config.host, config.port);
  if (!endpoints) return fail(endpoints.error().kind, what + ": " + endpoints.error().message);
  std::vector<tcp::acceptor> acceptors;
  std::string reason;
  for (tcp::endpoint endpoint : *endpoints) {
    // With "any port" every address must get the same one.
    if (!acceptors.empty()) endpoint.port(acceptors.front().local_endpoint().port());
    ErrorCode refused;
    Result<tcp::acceptor> acceptor = open_acceptor(context, endpoint, &refused);
    if (acceptor) {
      acceptors.push_back(std::move(*acceptor));
      continue;
    }
    reason = what + ": " + acceptor.error().message;
    const bool not_here = refused.value() == EADDRNOTAVAIL || refused.value() == EAFNOSUPPORT;
    if (!not_here) return fail(ErrorKind::kIo, reason);
  }
  if (acceptors.empty()) return fail(ErrorKind::kIo, reason);
  return acceptors;
}

Listener::Listener(tcp::acceptor acceptor, uint32_t accepts_per_second, Instant now)
    : acceptor_(std::move(acceptor)),
      port_(acceptor_.local_endpoint().port()),
      rate_(accepts_per_second, now),
      now_(now) {}

void Listener::start(OnAccept on_accept, OnError on_error) {
  on_accept_ = std::move(on_accept);
  on_error_ = std::move(on_error);
  accept_next();
}

void Listener::begin_turn(Instant now) {
  now_ = now;
  if (now < resume_at_) return;
  resume_at_ = Instant::never();
  accept_next();
}

void Listener::stop() {
  resume_at_ = Instant::never();
  ErrorCode ignored;
  acceptor_.close(ignored);
}

void Listener::accept_next() {
  if (!rate_.take(now_)) {
    resume_at_ = rate_.next();
    return;
  }
  acceptor_.async_accept([this](const ErrorCode& error, tcp::socket socket) {
    on_accepted(error, std::move(socket));
  });
}

void Listener::on_accepted(const ErrorCode& error, tcp::socket socket) {
  if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
  if (!error) {
    on_accept_(std::move(socket));
  } else if (error != asio::error::connection_aborted) {
    on_error_(error);
    resume_at_ = now_ + kRetryAfter;
    return;
  }
  accept_next();
}

}  // namespace magpie::os
