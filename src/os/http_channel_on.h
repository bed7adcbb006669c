// The channel over any transport that Beast can use. Included by http_channel*.cc alone, because it
// is slow to compile.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "os/http_channel.h"
//
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace magpie::os {

namespace http = boost::beast::http;

// `Transport` is a socket, or a stream whose lowest layer is one.
template <typename Transport>
class HttpChannelOn : public HttpChannel,
                      public std::enable_shared_from_this<HttpChannelOn<Transport>> {
 public:
  template <typename... Arguments>
  explicit HttpChannelOn(Arguments&&... arguments)
      : transport_(std::forward<Arguments>(arguments)...) {}

  void exchange(const HttpRequest& request, std::shared_ptr<HttpExchange> waiting) override {
    CHECK(waiting_ == nullptr);
    ++round_;
    waiting_ = std::move(waiting);
    fill_request(request);
    parser_.emplace();
    parser_->body_limit(std::numeric_limits<uint64_t>::max());  // the client has its own limit
    http::async_write(transport_, request_,
                      [this, self = this->shared_from_this()](const ErrorCode& error, size_t) {
                        error ? end_with(error) : read_header();
                      });
  }

  void watch(std::function<void()> ended) override {
    transport_.lowest_layer().async_wait(
        tcp::socket::wait_read, [self = this->shared_from_this(), round = ++round_,
                                 ended = std::move(ended)](const ErrorCode& error) {
          if (error != asio::error::operation_aborted && round == self->round_) ended();
        });
  }

  void close() override {
    ++round_;
    waiting_ = nullptr;
    ErrorCode ignored;
    transport_.lowest_layer().close(ignored);
  }

 protected:
  // What an error of the transport means to an operator.
  virtual std::string explain(const ErrorCode& error) const { return error.message(); }

  Transport transport_;

 private:
  void fill_request(const HttpRequest& request) {
    request_ = {};
    request_.method(http::verb::post);
    request_.version(11);
    request_.target(request.target);
    request_.set(http::field::host, request.host);
    request_.set(http::field::user_agent, "magpie");
    request_.set(http::field::content_type, "application/json");
    if (!request.authorization.empty()) {
      request_.set(http::field::authorization, request.authorization);
    }
    request_.body() = request.body;
    request_.prepare_payload();
  }

  void read_header() {
    if (waiting_ == nullptr) return;
    http::async_read_header(
        transport_, buffer_, *parser_,
        [this, self = this->shared_from_this()](const ErrorCode& error, size_t) {
          if (waiting_ == nullptr) return;
          if (error) return end_with(error);
          waiting_->on_header(static_cast<int>(parser_->get().result_int()));
          read_body();
        });
  }

  void read_body() {
    if (waiting_ == nullptr) return;
    if (parser_->is_done()) {
      const bool reusable = parser_->keep_alive() && buffer_.size() == 0;
      std::exchange(waiting_, nullptr)->on_end({}, reusable);
      return;
    }
    parser_->get().body().data = body_.data();
    parser_->get().body().size = body_.size();
    http::async_read_some(transport_, buffer_, *parser_,
                          [this, self = this->shared_from_this()](const ErrorCode& error, size_t) {
                            on_body(error);
                          });
  }

  void on_body(const ErrorCode& error) {
    if (waiting_ == nullptr) return;
    const size_t count = body_.size() - parser_->get().body().size;
    const std::shared_ptr<HttpExchange> waiting = waiting_;
    if (count > 0) waiting->on_body({body_.data(), count});
    if (error && error != http::error::need_buffer) {
      end_with(error);
    } else {
      read_body();
    }
  }

  void end_with(const ErrorCode& error) {
    if (waiting_ == nullptr) return;
    const bool cut_off = error == http::error::end_of_stream || error == asio::error::eof ||
                         error == http::error::partial_message;
    const std::string why = cut_off ? "the connection ended before the answer did" : explain(error);
    std::exchange(waiting_, nullptr)->on_end(fail(ErrorKind::kIo, why), false);
  }

  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  std::array<char, 64 * 1024> body_;
  std::shared_ptr<HttpExchange> waiting_;
  uint64_t round_ = 0;  // a watch of an earlier round has nothing to say
};

}  // namespace magpie::os
