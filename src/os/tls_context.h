// The security context: our certificate and whom we trust, read from files that may change.
//
// Certificates are renewed while nodes run. Before a connection is made the files are looked at,
// not more often than TlsConfig::check_interval; changed ones are read and used from then on. Files
// that do not fit together, or cannot be read, change nothing but a log line: half of a renewal is
// seen as an error once and as a renewal when the other half is there. Connections that exist keep
// what they began with.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "os/log_sink.h"
#include "os/openssl.h"
#include "os/tls_config.h"

namespace magpie::os {

enum class TlsUse {
  kLinks,   // both ends show certificates; no host names are looked at
  kClient,  // the server shows one; we do if we have one
};

class TlsContext {
 public:
  // Reads the files. `what` names the setting in messages: "links". `log` must live longer.
  // Error: a sentence for the operator that names the file.
  static Result<std::unique_ptr<TlsContext>> open(const std::string& what, const TlsConfig& config,
                                                  TlsUse use, const Now& now, LogSink& log);

  // What a connection made now uses. Valid until the next call.
  SSL_CTX* current(const Now& now);

  // Looks at the files at once. Error: why the new ones are not used; the old ones are.
  Status reload(const Now& now);

 private:
  // What tells versions of a file apart.
  struct Version {
    uint64_t inode = 0;
    int64_t size = -1;
    int64_t changed_nanos = 0;
    bool operator==(const Version&) const = default;
  };
  using Versions = std::array<Version, 3>;

  TlsContext(const std::string& what, const TlsConfig& config, TlsUse use, LogSink& log);
  Versions look() const;
  Status read(const Now& now);
  void warn_of_expiry(const Now& now);

  const std::string what_;
  const TlsConfig config_;
  const TlsUse use_;
  LogSink& log_;
  SslContextRef context_;
  Versions versions_;
  Instant next_look_;
  WallTime next_warning_;
};

}  // namespace magpie::os
