#include "os/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string_view>

#include "base/check.h"
#include "os/asio.h"
#include "os/openssl.h"

namespace magpie::os {
namespace {

constexpr size_t kNameBytesMax = 64;  // ub-common-name, RFC 5280 appendix A.1

using ExtensionRef = std::unique_ptr<X509_EXTENSION, OpensslDelete<X509_EXTENSION_free>>;

BioRef memory_of(std::string_view text) {
  return BioRef(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string pem_of(X509* certificate) {
  const BioRef memory(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(memory.get(), certificate) == 1);
  return text_of(memory.get());
}

std::string pem_of(EVP_PKEY* key) {
  const BioRef memory(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(memory.get());
}

// Sixteen random bytes; a serial number is positive and unique per authority (RFC 5280 4.1.2.2).
void set_serial(X509* certificate) {
  unsigned char bytes[16];
  CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  CHECK(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr);
  BN_free(number);
}

bool set_time(ASN1_TIME* field, WallTime time) {
  return ASN1_TIME_set(field, static_cast<time_t>(time.millis / 1'000)) != nullptr;
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionRef extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  CHECK(extension != nullptr);
  CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

// "DNS:localhost,IP:127.0.0.1". Hosts are checked by whoever calls.
std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string names;
  for (const std::string& host : hosts) {
    ErrorCode no_address;
    (void)asio::ip::make_address(host, no_address);
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", no_address ? "DNS" : "IP", host);
  }
  return names;
}

bool plain_host(const std::string& host) {
  if (host.empty()) return false;
  for (const char byte : host) {
    const bool allowed = isalnum(static_cast<unsigned char>(byte)) != 0 || byte == '.' ||
                         byte == '-' || byte == ':' || byte == '*' || byte == '_';
    if (!allowed) return false;
  }
  return true;
}

Status check(const CertificateRequest& request) {
  if (request.name.empty() || request.name.size() > kNameBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' cannot be the name of a certificate: 1 to {} bytes are allowed",
                            request.name, kNameBytesMax));
  }
  for (const std::string& host : request.hosts) {
    if (plain_host(host)) continue;
    return fail(ErrorKind::kInvalidArgument, fmt::format("'{}' is not the name of a host", host));
  }
  return {};
}

// Everything but who issued it: name, key, validity.
Result<X509Ref> begin_certificate(const CertificateRequest& request, EVP_PKEY* key) {
  X509Ref certificate(X509_new());
  CHECK(certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  set_serial(certificate.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const auto* text = reinterpret_cast<const unsigned char*>(request.name.data());
  const int size = static_cast<int>(request.name.size());
  if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, size, -1, 0) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("'{}' cannot be the name of a certificate", request.name));
  }
  if (!set_time(X509_getm_notBefore(certificate.get()), request.from) ||
      !set_time(X509_getm_notAfter(certificate.get()), request.until)) {
    return fail(ErrorKind::kInvalidArgument, "a certificate cannot hold these times");
  }
  CHECK(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

Status write_file(const std::string& path, const std::string& text, int mode) {
  const std::string beside = path + ".new";
  const auto refuse = [&](int reason) {
    return fail(ErrorKind::kIo, fmt::format("cannot write {}: {}", path, strerror(reason)));
  };
  (void)::unlink(beside.c_str());
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return refuse(errno);
  const ssize_t count = ::write(file, text.data(), text.size());
  const int reason = count < 0 ? errno : ENOSPC;
  ::close(file);
  if (count != static_cast<ssize_t>(text.size())) return refuse(reason);
  if (::rename(beside.c_str(), path.c_str()) != 0) return refuse(errno);
  return {};
}

}  // namespace

Result<Certificate> make_authority(const CertificateRequest& request) {
  if (Status good = check(request); !good) return fail(good.error());
  const KeyRef key(EVP_EC_gen("P-256"));
  CHECK(key != nullptr);
  Result<X509Ref> made = begin_certificate(request, key.get());
  if (!made) return fail(made.error());
  X509* authority = made->get();
  CHECK(X509_set_issuer_name(authority, X509_get_subject_name(authority)) == 1);
  extend(authority, authority, NID_basic_constraints, "critical,CA:TRUE");
  extend(authority, authority, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(authority, authority, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(authority, key.get(), EVP_sha256()) > 0);
  return Certificate{pem_of(authority), pem_of(key.get())};
}

Result<Certificate> make_certificate(const Certificate& authority,
                                     const CertificateRequest& request) {
  if (Status good = check(request); !good) return fail(good.error());
  const X509Ref issuer(
      PEM_read_bio_X509(memory_of(authority.certificate).get(), nullptr, nullptr, nullptr));
  const KeyRef issuer_key(
      PEM_read_bio_PrivateKey(memory_of(authority.key).get(), nullptr, nullptr, nullptr));
  if (issuer == nullptr || issuer_key == nullptr || X509_check_ca(issuer.get()) == 0 ||
      X509_check_private_key(issuer.get(), issuer_key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalidArgument, "this is not an authority with its key");
  }
  const KeyRef key(EVP_EC_gen("P-256"));
  CHECK(key != nullptr);
  Result<X509Ref> made = begin_certificate(request, key.get());
  if (!made) return fail(made.error());
  X509* certificate = made->get();
  CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) == 1);
  extend(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature");
  extend(certificate, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  extend(certificate, issuer.get(), NID_subject_key_identifier, "hash");
  extend(certificate, issuer.get(), NID_authority_key_identifier, "keyid");
  if (!request.hosts.empty()) {
    extend(certificate, issuer.get(), NID_subject_alt_name, alternative_names(request.hosts));
  }
  CHECK(X509_sign(certificate, issuer_key.get(), EVP_sha256()) > 0);
  return Certificate{pem_of(certificate), pem_of(key.get())};
}

Status write_certificate(const Certificate& certificate, const std::string& certificate_file,
                         const std::string& key_file) {
  // The key first: a reader that finds both new sees a pair that fits.
  if (Status written = write_file(key_file, certificate.key, 0600); !written) return written;
  return write_file(certificate_file, certificate.certificate, 0644);
}

}  // namespace magpie::os
