// Files of a TLS identity. Plain data; filled by `server`.
#pragma once

#include <string>

#include "base/time.h"

namespace magpie::os {

// PEM files. A file that changes is used for the next connection, without a restart.
struct TlsConfig {
  // Our own certificate, with intermediate ones after it, and its key. Both empty: none is shown,
  // which only a client can do.
  std::string certificate_file;
  std::string key_file;
  // Whoever these issued certificates for is trusted. Empty: the system's authorities.
  std::string authority_file;
  // The files are looked at when a connection is made, not more often than this.
  Duration check_interval = Duration::seconds(2);
};

}  // namespace magpie::os
