#include "server/admin_client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

#include "server/command.h"
#include "server/config_text.h"

namespace magpie::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr uint64_t kAnswerBytesMax = 256ull * 1024 * 1024;

CommandError unreachable(const std::string& address, const std::string& reason) {
  return {"unreachable", fmt::format("cannot connect to the admin port {}: {}", address, reason),
          "start the node, or name the admin port of another one with --admin HOST:PORT",
          kExitNotStarted};
}

// The request left, and nobody knows what became of it.
CommandError no_answer(const AdminRequest& request, const std::string& reason) {
  const bool changes = request.method != "GET";
  return {"no_answer",
          fmt::format("{} did not answer: {}{}", request.address, reason,
                      changes ? "; whether the change is carried out is not known" : ""),
          changes ? "look with the list or describe command whether it was, before you try again"
                  : "look at the node's log, or give it more time with --timeout",
          kExitNotStarted};
}

// One connection with one exchange on it.
class Exchange {
 public:
  explicit Exchange(const AdminRequest& request) : request_(request), stream_(context_) {
    stream_.expires_after(std::chrono::nanoseconds(request.timeout.nanos));
  }

  error_code connect() {
    const HostPort address = *parse_host_port(request_.address);
    error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
    if (error) return error;
    stream_.async_connect(found, [&](error_code result, const auto&) { error = result; });
    return finish(error);
  }

  error_code send_and_receive() {
    http::request<http::string_body> message(http::string_to_verb(request_.method), request_.target,
                                             11);
    message.set(http::field::host, request_.address);
    message.set(http::field::content_type, "application/json");
    message.keep_alive(false);
    message.body() = request_.body;
    message.prepare_payload();
    error_code error;
    http::async_write(stream_, message, [&](error_code result, size_t) { error = result; });
    if (finish(error)) return error;
    parser_.body_limit(kAnswerBytesMax);
    beast::flat_buffer buffer;
    http::async_read(stream_, buffer, parser_, [&](error_code result, size_t) { error = result; });
    return finish(error);
  }

  unsigned status() { return parser_.get().result_int(); }
  const std::string& body() { return parser_.get().body(); }

 private:
  // Runs what was started and returns the error it left.
  error_code finish(const error_code& error) {
    context_.restart();
    context_.run();
    return error;
  }

  const AdminRequest& request_;
  asio::io_context context_;
  beast::tcp_stream stream_;
  http::response_parser<http::string_body> parser_;
};

std::string reason_text(const AdminRequest& request, const error_code& error) {
  if (error == beast::error::timeout) {
    return fmt::format("nothing came within {}", duration_text(request.timeout));
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return "the connection was closed";
  }
  return error.message();
}

// Bytes that are no HTTP: the Kafka port, or another program.
bool is_not_http(const error_code& error) {
  const error_code http_error = http::error::bad_version;
  return error.category() == http_error.category() && error != http::error::end_of_stream &&
         error != http::error::partial_message;
}

}  // namespace

CommandError not_a_node(const std::string& address) {
  return {"not_magpie", fmt::format("{} does not answer like a Magpie node", address),
          "name the admin port with --admin HOST:PORT, not the Kafka port", kExitUsage};
}

tl::expected<nlohmann::json, CommandError> ask_node(const AdminRequest& request) {
  const Result<HostPort> address = parse_host_port(request.address);
  if (!address) {
    return tl::unexpected<CommandError>(
        {"wrong_argument",
         fmt::format("--admin: {}, found '{}'", address.error().message, request.address),
         "name the admin port as HOST:PORT", kExitUsage});
  }
  Exchange exchange(request);
  if (const error_code error = exchange.connect()) {
    return tl::unexpected(unreachable(request.address, reason_text(request, error)));
  }
  if (const error_code error = exchange.send_and_receive()) {
    if (is_not_http(error)) return tl::unexpected(not_a_node(request.address));
    return tl::unexpected(no_answer(request, reason_text(request, error)));
  }
  nlohmann::json answer = nlohmann::json::parse(exchange.body(), nullptr, false);
  if (exchange.status() == 503 && !answer.is_object()) {
    return tl::unexpected(no_answer(request, "the node is busy or stuck"));
  }
  if (!answer.is_object()) return tl::unexpected(not_a_node(request.address));
  if (exchange.status() < 300) return answer;
  const nlohmann::json error = answer.value("error", nlohmann::json());
  if (!error.is_object()) return tl::unexpected(not_a_node(request.address));
  const auto field = [&](const char* name) {
    return error.contains(name) && error[name].is_string() ? error[name].get<std::string>() : "";
  };
  return tl::unexpected<CommandError>(
      {field("code"), field("message"), field("next_step"), kExitUsage});
}

std::string percent_encode(const std::string& text) {
  std::string encoded;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    encoded += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return encoded;
}

}  // namespace magpie::server
