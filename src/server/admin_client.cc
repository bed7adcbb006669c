#include "server/admin_client.h"

#include <fmt/format.h>
#include <stdio.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

namespace magpie::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

Error unreachable(const std::string& address, const std::string& reason) {
  return {ErrorKind::kUnavailable,
          fmt::format("no answer from the admin port {}: {}. Is the node running? Name another "
                      "address with --admin HOST:PORT",
                      address, reason)};
}

// Runs everything that was started on `context` and returns the error it left.
error_code finish(asio::io_context& context, const error_code& error) {
  context.restart();
  context.run();
  return error;
}

error_code exchange(asio::io_context& context, beast::tcp_stream& stream,
                    http::request<http::string_body>& request,
                    http::response_parser<http::string_body>& parser) {
  error_code error;
  http::async_write(stream, request, [&](error_code result, size_t) { error = result; });
  if (finish(context, error)) return error;
  beast::flat_buffer buffer;
  http::async_read(stream, buffer, parser, [&](error_code result, size_t) { error = result; });
  return finish(context, error);
}

void print_problem(const std::string& code, const std::string& message,
                   const std::string& next_step) {
  fmt::print(stderr, "error {}: {}\n", code, message);
  if (!next_step.empty()) fmt::print(stderr, "next: {}\n", next_step);
}

}  // namespace

Result<AdminAnswer> ask_admin(const std::string& address, const std::string& method,
                              const std::string& target, const std::string& body,
                              Duration timeout) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' is not an address of the form HOST:PORT", address));
  }
  asio::io_context context;
  error_code error;
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.substr(0, colon), address.substr(colon + 1), error);
  if (error) return fail(unreachable(address, error.message()));

  beast::tcp_stream stream(context);
  stream.expires_after(std::chrono::nanoseconds(timeout.nanos));
  stream.async_connect(found, [&](error_code result, const auto&) { error = result; });
  if (finish(context, error)) return fail(unreachable(address, error.message()));

  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, address);
  request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  http::response_parser<http::string_body> parser;
  parser.body_limit(256ull * 1024 * 1024);
  if (exchange(context, stream, request, parser)) {
    return fail(unreachable(address, "the connection broke"));
  }
  return AdminAnswer{static_cast<int>(parser.get().result_int()), parser.get().body()};
}

bool ask_and_report(const std::string& address, const std::string& method,
                    const std::string& target, const std::string& body, nlohmann::json& answer) {
  const Result<AdminAnswer> asked = ask_admin(address, method, target, body);
  if (!asked) {
    print_problem("unreachable", asked.error().message, "");
    return false;
  }
  answer = nlohmann::json::parse(asked->body, nullptr, false);
  if (!answer.is_object()) {
    print_problem("not_magpie", fmt::format("{} does not answer like a Magpie node", address),
                  "name the admin port with --admin HOST:PORT, not the Kafka port");
    return false;
  }
  if (asked->status < 300) return true;
  const nlohmann::json error = answer.value("error", nlohmann::json::object());
  print_problem(error.value("code", "unknown"), error.value("message", asked->body),
                error.value("next_step", ""));
  return false;
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
