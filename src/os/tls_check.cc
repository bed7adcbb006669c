#include "os/tls_check.h"

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace magpie::os {
namespace {

int check_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

std::string text_of(const ASN1_STRING* text) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, text);
  if (size < 0) return "";
  std::string copy(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return copy;
}

std::string common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

// The whole subject, when it has no common name.
std::string readable(const X509_NAME* name) {
  const std::string common = common_name(name);
  if (!common.empty()) return common;
  char line[256];
  return X509_NAME_oneline(name, line, sizeof line) == nullptr ? "" : line;
}

std::string first_host(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string host;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && host.empty(); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) host = text_of(name->d.dNSName);
  }
  GENERAL_NAMES_free(names);
  return host;
}

// What is wrong with `certificate`, which may be one of the issuers.
std::string explain(int code, X509* certificate, const TlsCheck& check) {
  if (certificate == nullptr) return "the peer shows no certificate";
  const std::string name = readable(X509_get_subject_name(certificate));
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("the certificate of '{}' expired on {}; renew it", name,
                         to_text(X509_get0_notAfter(certificate)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("the certificate of '{}' is valid from {} on; look at the clocks", name,
                         to_text(X509_get0_notBefore(certificate)));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return fmt::format(
          "the certificate of '{}' was issued by '{}', which is not the authority we trust", name,
          readable(X509_get_issuer_name(certificate)));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      if (!check.peer_name.empty()) {
        return fmt::format("the peer is '{}', not '{}'", name_of(certificate), check.peer_name);
      }
      return fmt::format("the certificate of '{}' is not issued for the host '{}'", name,
                         check.host);
    default:
      return fmt::format("the certificate of '{}' is refused: {}", name,
                         X509_verify_cert_error_string(code));
  }
}

int on_verify(int good, X509_STORE_CTX* store) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* check = static_cast<TlsCheck*>(SSL_get_ex_data(ssl, check_index()));
  CHECK(check != nullptr);
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const bool is_peer = X509_STORE_CTX_get_error_depth(store) == 0;
  if (good == 1 && is_peer && !check->peer_name.empty() &&
      name_of(certificate) != check->peer_name) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    good = 0;
  }
  if (good != 1 && check->refusal.empty()) {
    check->refusal = explain(X509_STORE_CTX_get_error(store), certificate, *check);
  }
  return good;
}

// What a peer told us in an alert (RFC 8446 section 6), or what we found ourselves.
const char* sentence(int reason) {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return "the peer does not speak TLS, or too old a version of it (1.2 is needed)";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the peer shows no certificate";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "the peer wants a certificate of us and we have none";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the peer does not trust the authority that issued our certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "the peer says that our certificate has expired";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return "the peer refuses our certificate; its log says why";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "the peer does not agree to our TLS version or ciphers";
    default:
      return nullptr;
  }
}

// Categories are never deleted through their base, whose destructor Boost leaves as it is.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class TlsCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    const auto error = static_cast<unsigned long>(static_cast<unsigned>(value));
    if (const char* known = sentence(ERR_GET_REASON(error))) return known;
    const char* reason = ERR_reason_error_string(error);
    return fmt::format("TLS: {}", reason != nullptr ? reason : "the connection is broken");
  }
};
#pragma GCC diagnostic pop

const TlsCategory& tls_category() {
  static const TlsCategory category;
  return category;
}

}  // namespace

void attach(SSL* ssl, TlsCheck& check) {
  CHECK(SSL_set_ex_data(ssl, check_index(), &check) == 1);
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(SSL_get_SSL_CTX(ssl)), on_verify);
  if (check.host.empty()) return;
  ErrorCode no_address;
  (void)asio::ip::make_address(check.host, no_address);
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (!no_address) {
    CHECK(X509_VERIFY_PARAM_set1_ip_asc(parameters, check.host.c_str()) == 1);
    return;
  }
  CHECK(X509_VERIFY_PARAM_set1_host(parameters, check.host.c_str(), 0) == 1);
  SSL_set_tlsext_host_name(ssl, check.host.c_str());
}

std::string name_of(X509* certificate) {
  const std::string common = common_name(X509_get_subject_name(certificate));
  return common.empty() ? first_host(certificate) : common;
}

std::string peer_name_of(SSL* ssl) {
  X509* certificate = SSL_get0_peer_certificate(ssl);
  return certificate == nullptr ? "" : name_of(certificate);
}

std::string to_text(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown time";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

ErrorCode tls_error(unsigned long error) {
  // Zero would mean success.
  return ErrorCode(error == 0 ? 1 : static_cast<int>(error), tls_category());
}

ErrorCode take_tls_error() {
  const unsigned long error = ERR_peek_error();
  ERR_clear_error();
  return tls_error(error);
}

}  // namespace magpie::os
