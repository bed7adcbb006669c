#include "os/http_session.h"

#include <errno.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "os/socket_options.h"

namespace magpie::os {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string text_of(beast::string_view view) {
  return std::string(view.data(), view.size());
}

// True if the other side has closed the connection or it is broken.
bool has_ended(int socket) {
  char byte;
  const ssize_t count = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

HttpSession::HttpSession(std::shared_ptr<HttpSessionHost> host, tcp::socket socket)
    : host_(std::move(host)), stream_(std::move(socket)) {}

HttpSession::~HttpSession() {
  host_->ended();
}

void HttpSession::set_timeout() {
  stream_.expires_after(std::chrono::nanoseconds(host_->config().idle_max.nanos));
}

// --- requests -----------------------------------------------------------------------------------

void HttpSession::read() {
  parser_.emplace();
  parser_->body_limit(host_->config().body_bytes);
  parser_->header_limit(static_cast<uint32_t>(host_->config().header_bytes));
  set_timeout();
  http::async_read(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](const ErrorCode& error, size_t) { self->on_read(error); });
}

void HttpSession::on_read(const ErrorCode& error) {
  if (error) {
    refuse(error);
    return;
  }
  const auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  is_head_ = message.method() == http::verb::head;
  stream_.expires_never();
  host_->request(shared_from_this(), {.exchange = {},
                                      .method = text_of(message.method_string()),
                                      .target = text_of(message.target()),
                                      .body = message.body()});
}

// Requests that are not HTTP, or too large, are told so; a peer that went away is not.
void HttpSession::refuse(const ErrorCode& error) {
  unsigned status = 400;
  if (error == http::error::end_of_stream || error == beast::error::timeout ||
      error.category() != make_error_code(http::error::bad_method).category()) {
    close();
    return;
  }
  if (error == http::error::body_limit) status = 413;
  if (error == http::error::header_limit) status = 431;
  keep_alive_ = false;
  is_head_ = false;
  respond(status, "text/plain", error.message() + "\n");
}

// --- whole answers ------------------------------------------------------------------------------

void HttpSession::respond(unsigned status, const std::string& content_type, std::string body) {
  response_ = {};
  response_.result(status);
  response_.version(11);
  response_.keep_alive(keep_alive_);
  if (!content_type.empty()) response_.set(http::field::content_type, content_type);
  response_.set(http::field::cache_control, "no-store");
  response_.content_length(body.size());
  if (!is_head_) response_.body() = std::move(body);
  set_timeout();
  http::async_write(
      stream_, response_,
      [self = shared_from_this()](const ErrorCode& error, size_t) { self->on_written(error); });
}

void HttpSession::on_written(const ErrorCode& error) {
  if (error || !keep_alive_) {
    close();
  } else {
    read();
  }
}

void HttpSession::close() {
  ErrorCode ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

// --- streams ------------------------------------------------------------------------------------

void HttpSession::begin_stream(port::HttpExchangeId exchange, unsigned status,
                               const std::string& content_type) {
  CHECK(streaming_ == nullptr);
  streaming_ = std::make_shared<StreamState>();
  streaming_->exchange = exchange;
  // Clients of HTTP/1.0 know no chunks: for them the end of the connection is that of the stream.
  streaming_->chunked = parser_->get().version() >= 11;
  if (!streaming_->chunked) keep_alive_ = false;
  auto& head = streaming_->head;
  head.result(status);
  head.version(11);
  head.keep_alive(keep_alive_);
  if (!content_type.empty()) head.set(http::field::content_type, content_type);
  head.set(http::field::cache_control, "no-store");
  if (streaming_->chunked) head.chunked(true);
  set_client_options(stream_.socket());  // a silent client that is gone must be found out
  write_head();
  watch_client();
}

void HttpSession::write_head() {
  streaming_->serializer.emplace(streaming_->head);
  streaming_->writing = true;
  set_timeout();
  http::async_write_header(
      stream_, *streaming_->serializer,
      [self = shared_from_this(), state = streaming_](const ErrorCode& error, size_t) {
        if (self->streaming_ != state) return;
        // What HEAD asks for is complete now, and nobody waits for parts.
        if (!error && self->is_head_) {
          self->host_->stream_broken(self->streaming_->exchange, "");
          self->end_stream();
          return;
        }
        self->on_part_written(error);
      });
}

void HttpSession::add_part(std::string bytes, bool last) {
  if (streaming_ == nullptr) return;  // the client went away a moment ago
  CHECK(!streaming_->last_added);
  streaming_->last_added = last;
  if (!bytes.empty() && !is_head_) {
    if (streaming_->chunked) streaming_->queued += fmt::format("{:x}\r\n", bytes.size());
    streaming_->queued += bytes;
    if (streaming_->chunked) streaming_->queued += "\r\n";
  }
  if (last && streaming_->chunked) streaming_->queued += "0\r\n\r\n";
  const size_t waiting = streaming_->queued.size() + streaming_->written.size();
  if (waiting > host_->config().stream_queue_bytes) {
    break_stream(fmt::format("{} bytes wait for it and it does not read", waiting));
    return;
  }
  if (!streaming_->writing) write_parts();
}

void HttpSession::write_parts() {
  if (streaming_->queued.empty()) {
    if (streaming_->last_added) end_stream();
    return;
  }
  streaming_->writing = true;
  streaming_->written = std::exchange(streaming_->queued, {});
  set_timeout();
  asio::async_write(
      stream_, asio::buffer(streaming_->written),
      [self = shared_from_this(), state = streaming_](const ErrorCode& error, size_t) {
        if (self->streaming_ == state) self->on_part_written(error);
      });
}

void HttpSession::on_part_written(const ErrorCode& error) {
  streaming_->writing = false;
  streaming_->written.clear();
  if (error) {
    break_stream(error == beast::error::timeout ? "it took nothing for too long" : "");
    return;
  }
  stream_.expires_never();
  write_parts();
}

void HttpSession::watch_client() {
  stream_.socket().async_wait(tcp::socket::wait_read,
                              [self = shared_from_this(), round = ++round_](const ErrorCode&) {
                                if (round != self->round_ || self->streaming_ == nullptr) return;
                                // Otherwise the next request waits already, and the client cannot
                                // be watched any more.
                                if (has_ended(self->stream_.socket().native_handle()))
                                  self->break_stream("");
                              });
}

void HttpSession::end_stream() {
  ++round_;
  streaming_.reset();
  on_written({});
}

void HttpSession::break_stream(const std::string& why) {
  ++round_;
  const std::shared_ptr<StreamState> broken = std::move(streaming_);
  const std::shared_ptr<HttpSession> self = shared_from_this();
  if (!broken->last_added) host_->stream_broken(broken->exchange, why);
  stream_.close();
}

}  // namespace magpie::os
