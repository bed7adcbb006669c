// Makes an authority and certificates of nodes, for whoever has none: `magpie dev` and tests.
//
// Keys are ECDSA P-256. A node's certificate says its name (the subject's common name) and the
// hosts it is reached by, and serves for both ends of a link. A company that runs its own authority
// uses that one; nothing here is needed then.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace magpie::os {

// PEM texts.
struct Certificate {
  std::string certificate;
  std::string key;  // secret
};

struct CertificateRequest {
  std::string name;  // 1 to 64 bytes
  // Names and addresses that clients which look at hosts may connect to. Unused for an authority.
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  WallTime from;
  WallTime until;
};

// A certificate that is trusted for itself and issues others.
// Error: kInvalidArgument for a name that a certificate cannot hold.
Result<Certificate> make_authority(const CertificateRequest& request);

// A certificate issued by `authority`. Error: kInvalidArgument for a name that a certificate cannot
// hold, or an authority that is none.
Result<Certificate> make_certificate(const Certificate& authority,
                                     const CertificateRequest& request);

// Writes both files, the key readable by the owner alone. An existing file is replaced whole.
// Error: kIo, naming the file.
Status write_certificate(const Certificate& certificate, const std::string& certificate_file,
                         const std::string& key_file);

}  // namespace magpie::os
