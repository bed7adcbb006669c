// One connection of an HTTP client: requests in, answers out. Private to the HTTP server.
//
// An answer has its length, or it is a stream: parts are added to it as they come to be, and leave
// as chunks (RFC 9112 section 7.1). While a stream is idle only the client's going away is watched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "os/asio.h"
#include "os/http_server.h"
//
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>

namespace magpie::os {

class HttpSession;

// What a session needs from the server.
class HttpSessionHost {
 public:
  virtual ~HttpSessionHost() = default;
  virtual const HttpConfig& config() const = 0;
  virtual void request(std::shared_ptr<HttpSession> session, port::HttpRequestReceived request) = 0;
  // The stream ended before its last part; `why` is empty if the client wanted that.
  virtual void stream_broken(port::HttpExchangeId exchange, const std::string& why) = 0;
  virtual void ended() = 0;
};

// Kept alive by the operation under way or by the exchange that waits.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  // The host ends before its sessions only when the process does not run the loop any more.
  HttpSession(std::shared_ptr<HttpSessionHost> host, tcp::socket socket);
  ~HttpSession();

  // Waits for a request.
  void read();

  void respond(unsigned status, const std::string& content_type, std::string body);

  void begin_stream(port::HttpExchangeId exchange, unsigned status,
                    const std::string& content_type);
  // REQUIRES: a stream has begun, and its last part was not added yet.
  void add_part(std::string bytes, bool last);

 private:
  struct StreamState {
    port::HttpExchangeId exchange;
    bool chunked = true;
    bool last_added = false;
    bool writing = false;
    std::string queued;   // added, not being written yet
    std::string written;  // what the write under way sends
    boost::beast::http::response<boost::beast::http::empty_body> head;
    std::optional<boost::beast::http::response_serializer<boost::beast::http::empty_body>>
        serializer;
  };

  void set_timeout();
  void on_read(const ErrorCode& error);
  void refuse(const ErrorCode& error);
  void on_written(const ErrorCode& error);
  void close();

  void write_head();
  void write_parts();
  void on_part_written(const ErrorCode& error);
  void watch_client();
  void end_stream();
  void break_stream(const std::string& why);

  std::shared_ptr<HttpSessionHost> host_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  std::shared_ptr<StreamState> streaming_;  // a write under way holds it too
  uint64_t round_ = 0;                      // a watch of an earlier stream has nothing to say
  bool keep_alive_ = false;
  bool is_head_ = false;
};

}  // namespace magpie::os
