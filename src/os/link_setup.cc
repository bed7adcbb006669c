#include "os/link_setup.h"

#include <utility>

#include "base/check.h"
#include "os/address.h"
#include "os/clock.h"
#include "os/socket_options.h"

namespace magpie::os {

struct LinkSetup::Pending {
  TlsSide side;
  std::string peer_name;
  OnDone done;
  std::unique_ptr<Dial> dial;
  std::unique_ptr<TlsHandshake> handshake;
};

LinkSetup::LinkSetup(asio::io_context& context, Resolver& resolver, const LinkConfig& config,
                     LogSink& log)
    : context_(context), resolver_(resolver), config_(config), log_(log) {}

LinkSetup::~LinkSetup() = default;

Status LinkSetup::open() {
  if (!config_.tls.has_value()) return {};
  auto opened = TlsContext::open("links", *config_.tls, TlsUse::kLinks, read_clocks(), log_);
  if (!opened) return fail(opened.error());
  tls_ = std::move(*opened);
  return {};
}

uint64_t LinkSetup::add(TlsSide side, std::string peer_name, OnDone done) {
  const uint64_t number = ++last_number_;
  auto pending = std::make_unique<Pending>();
  pending->side = side;
  pending->peer_name = std::move(peer_name);
  pending->done = std::move(done);
  pending_.emplace(number, std::move(pending));
  return number;
}

uint64_t LinkSetup::connect(const std::string& host, uint16_t port, const std::string& peer_name,
                            OnDone done) {
  const uint64_t number = add(TlsSide::kConnecting, peer_name, std::move(done));
  const auto prepare = [this](tcp::socket& socket) {
    set_link_options(socket, config_);
    const std::string problem = set_link_buffers(socket.native_handle(), config_);
    if (!problem.empty()) {
      log_.write(read_clocks(), {port::Severity::kWarning, "link.small_buffers", problem});
    }
  };
  const auto on_done = [this, number](Result<tcp::socket> socket) {
    if (!socket) {
      finish(number, fail(socket.error()));
    } else {
      on_connected(number, std::move(*socket));
    }
  };
  const auto route = config_.routes.find({host, port});
  const auto& [real_host, real_port] =
      route == config_.routes.end() ? std::pair(host, port) : route->second;
  pending_.at(number)->dial = std::make_unique<Dial>(context_, resolver_, real_host, real_port,
                                                     config_.connect_max, prepare, on_done);
  return number;
}

void LinkSetup::accept(tcp::socket socket, OnDone done) {
  const uint64_t number = add(TlsSide::kAccepting, "", std::move(done));
  set_link_options(socket, config_);
  ErrorCode ignored;
  socket.non_blocking(true, ignored);
  on_connected(number, std::move(socket));
}

void LinkSetup::cancel(uint64_t number) {
  pending_.erase(number);
}

void LinkSetup::on_connected(uint64_t number, tcp::socket socket) {
  ErrorCode error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) {
    finish(number, fail(ErrorKind::kUnavailable, "closed at once by the peer"));
    return;
  }
  ReadyLink link{nullptr, to_text(remote), to_text(remote.address()), ""};
  if (tls_ != nullptr) {
    secure(number, std::move(socket), std::move(link));
    return;
  }
  link.stream = make_plain_stream(std::move(socket));
  finish(number, std::move(link));
}

void LinkSetup::secure(uint64_t number, tcp::socket socket, ReadyLink link) {
  Pending& pending = *pending_.at(number);
  auto about = std::make_shared<ReadyLink>(std::move(link));
  const auto on_done = [this, number, about](Result<TlsPeer> peer) {
    if (!peer) {
      finish(number, fail(peer.error().kind, about->peer + ": " + peer.error().message));
      return;
    }
    about->stream = std::move(peer->stream);
    about->peer_name = std::move(peer->name);
    finish(number, std::move(*about));
  };
  pending.handshake =
      std::make_unique<TlsHandshake>(std::move(socket), tls_->current(read_clocks()), pending.side,
                                     pending.peer_name, config_.handshake_max, on_done);
  pending.handshake->start();
}

void LinkSetup::finish(uint64_t number, Result<ReadyLink> link) {
  const auto found = pending_.find(number);
  CHECK(found != pending_.end());
  // The attempt ends only after it has called back.
  const std::unique_ptr<Pending> ended = std::move(found->second);
  pending_.erase(found);
  ended->done(std::move(link));
}

}  // namespace magpie::os
