#include "os/tls_context.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "os/tls_check.h"

namespace magpie::os {
namespace {

constexpr int64_t kDayMillis = 24 * 3'600'000;
constexpr int64_t kWarnBeforeMillis = 14 * kDayMillis;

// Why OpenSSL refused a file.
std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  ERR_clear_error();
  return text == nullptr ? "it is not a PEM file" : text;
}

Status check_readable(const std::string& path, const char* role) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("cannot read the {} {}: {}", role, path, strerror(errno)));
}

Status load_identity(SSL_CTX* context, const TlsConfig& config) {
  const std::string& certificate = config.certificate_file;
  const std::string& key = config.key_file;
  for (const auto& [path, role] : {std::pair(certificate, "certificate"), std::pair(key, "key")}) {
    if (Status readable = check_readable(path, role); !readable) return readable;
  }
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} holds no certificate: {}", certificate, reason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} holds no key that fits the certificate {}: {}", key, certificate,
                            reason()));
  }
  return {};
}

Status load_authority(SSL_CTX* context, const std::string& path) {
  if (path.empty()) {
    CHECK(SSL_CTX_set_default_verify_paths(context) == 1);
    return {};
  }
  if (Status readable = check_readable(path, "authority"); !readable) return readable;
  if (SSL_CTX_load_verify_file(context, path.c_str()) != 1) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("{} holds no certificate of an authority: {}", path, reason()));
  }
  return {};
}

// No resumption: whether a certificate is still good is asked each time.
SslContextRef new_context(TlsUse use) {
  SslContextRef context(SSL_CTX_new(TLS_method()));
  CHECK(context != nullptr);
  CHECK(SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
  SSL_CTX_set_options(context.get(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int peer =
      use == TlsUse::kLinks ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
  SSL_CTX_set_verify(context.get(), peer, nullptr);
  return context;
}

Status check_config(const TlsConfig& config, TlsUse use) {
  const bool has_identity = !config.certificate_file.empty() && !config.key_file.empty();
  if (config.certificate_file.empty() != config.key_file.empty()) {
    return fail(ErrorKind::kInvalidArgument,
                "a certificate needs its key, and a key its "
                "certificate");
  }
  if (use == TlsUse::kLinks && (!has_identity || config.authority_file.empty())) {
    return fail(ErrorKind::kInvalidArgument, "a certificate, its key and an authority are needed");
  }
  return {};
}

}  // namespace

TlsContext::TlsContext(const std::string& what, const TlsConfig& config, TlsUse use, LogSink& log)
    : what_(what), config_(config), use_(use), log_(log) {}

Result<std::unique_ptr<TlsContext>> TlsContext::open(const std::string& what,
                                                     const TlsConfig& config, TlsUse use,
                                                     const Now& now, LogSink& log) {
  std::unique_ptr<TlsContext> context(new TlsContext(what, config, use, log));
  Status good = check_config(config, use);
  if (good) good = context->read(now);
  if (!good) return fail(good.error().kind, "TLS of " + what + ": " + good.error().message);
  return context;
}

SSL_CTX* TlsContext::current(const Now& now) {
  if (now.instant >= next_look_) {
    next_look_ = now.instant + config_.check_interval;
    if (look() != versions_) (void)reload(now);  // has logged why not
    warn_of_expiry(now);
  }
  return context_.get();
}

Status TlsContext::reload(const Now& now) {
  const Status good = read(now);
  if (good) {
    log_.write(now, {port::Severity::kInfo, "tls.reloaded",
                     fmt::format("TLS of {}: new certificate files are in use", what_)});
  } else {
    log_.write(now, {port::Severity::kError, "tls.reload_failed",
                     fmt::format("TLS of {}: {}; what was read before stays in use", what_,
                                 good.error().message)});
  }
  return good;
}

Status TlsContext::read(const Now& now) {
  // Looked at before it is read: a change in between is found the next time.
  versions_ = look();
  SslContextRef context = new_context(use_);
  if (!config_.certificate_file.empty()) {
    if (Status loaded = load_identity(context.get(), config_); !loaded) return loaded;
  }
  Status loaded = load_authority(context.get(), config_.authority_file);
  if (!loaded) return loaded;
  context_ = std::move(context);
  next_look_ = now.instant + config_.check_interval;
  next_warning_ = now.wall;
  warn_of_expiry(now);
  return {};
}

TlsContext::Versions TlsContext::look() const {
  Versions versions;
  const std::string* paths[] = {&config_.certificate_file, &config_.key_file,
                                &config_.authority_file};
  for (size_t i = 0; i < versions.size(); ++i) {
    struct stat found {};
    if (paths[i]->empty() || ::stat(paths[i]->c_str(), &found) != 0) continue;
    versions[i] = {found.st_ino, found.st_size,
                   found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
  }
  return versions;
}

// Once a day, from two weeks before the end on.
void TlsContext::warn_of_expiry(const Now& now) {
  X509* certificate = SSL_CTX_get0_certificate(context_.get());
  if (certificate == nullptr || now.wall < next_warning_) return;
  const time_t soon = static_cast<time_t>((now.wall.millis + kWarnBeforeMillis) / 1'000);
  if (ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), soon) > 0) return;
  next_warning_ = {now.wall.millis + kDayMillis};
  log_.write(now, {port::Severity::kWarning, "tls.certificate_expires",
                   fmt::format("TLS of {}: the certificate of '{}' in {} expires on {}; renew it",
                               what_, name_of(certificate), config_.certificate_file,
                               to_text(X509_get0_notAfter(certificate)))});
}

}  // namespace magpie::os
