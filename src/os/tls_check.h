// What a peer's certificate must say, and sentences for when it does not. Private to this folder.
#pragma once

#include <string>

#include "os/asio.h"
#include "os/openssl.h"

namespace magpie::os {

// One handshake's expectations and what came of them. Must live as long as the SSL object that it
// was attached to.
struct TlsCheck {
  // The name that the peer's certificate must be issued for; empty: any that our authority knows.
  std::string peer_name;
  // The host that it must be issued for, as browsers do it; empty: not looked at.
  std::string host;

  // Why the certificate was refused; empty if it was not.
  std::string refusal;
};

// Has the peer's certificate verified as `check` says.
void attach(SSL* ssl, TlsCheck& check);

// The name a certificate is issued for: the subject's common name or, without one, the first DNS
// name. Empty if there is neither.
std::string name_of(X509* certificate);

// The name of the peer's certificate; empty if it showed none.
std::string peer_name_of(SSL* ssl);

// "2026-11-22 10:00 UTC".
std::string to_text(const ASN1_TIME* time);

// What OpenSSL said, as an error code whose message is for an operator.
ErrorCode tls_error(unsigned long error);

// The oldest error that OpenSSL queued. Empties the queue.
ErrorCode take_tls_error();

}  // namespace magpie::os
