// HTTPS. A file of its own because it is slow to compile.
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "os/http_channel_on.h"
#include "os/tls_check.h"

namespace magpie::os {
namespace {

// Asio's wrapper gives back what it is given, so it gets a reference of its own.
asio::ssl::context borrow(SSL_CTX* context) {
  CHECK(SSL_CTX_up_ref(context) == 1);
  return asio::ssl::context(context);
}

class TlsChannel final : public HttpChannelOn<asio::ssl::stream<tcp::socket>> {
 public:
  TlsChannel(tcp::socket socket, asio::ssl::context context, const std::string& host)
      : HttpChannelOn(std::move(socket), context), check_{"", host, ""} {
    attach(transport_.native_handle(), check_);
  }

  void open(std::function<void(Status)> done) override {
    transport_.async_handshake(
        asio::ssl::stream_base::client,
        [this, self = shared_from_this(), done = std::move(done)](const ErrorCode& error) {
          error ? done(fail(ErrorKind::kUnavailable, why_not(error))) : done({});
        });
  }

 private:
  std::string why_not(const ErrorCode& error) const {
    if (!check_.refusal.empty()) return check_.refusal;
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
      return "the server ended the connection during the TLS handshake; perhaps it does not use "
             "TLS";
    }
    return explain(error);
  }

  std::string explain(const ErrorCode& error) const override {
    if (error.category() != asio::error::get_ssl_category()) return error.message();
    return tls_error(static_cast<unsigned>(error.value())).message();
  }

  TlsCheck check_;
};

}  // namespace

std::shared_ptr<HttpChannel> make_tls_channel(tcp::socket socket, SSL_CTX* context,
                                              const std::string& host) {
  return std::make_shared<TlsChannel>(std::move(socket), borrow(context), host);
}

}  // namespace magpie::os
