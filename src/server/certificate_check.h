// Checking certificates (docs/formats/certificate.md) without the cluster: the signature, and the
// logs that survived.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace magpie::server {

struct CertificateFinding {
  bool good = false;
  std::string text;  // one line
};

// All that the signed certificates in `file` say that can be checked, good or not. The error is
// about the file or the key as such.
Result<std::vector<CertificateFinding>> check_certificates(
    const nlohmann::json& file, const std::string& public_key,
    const std::vector<std::string>& data_directories);

}  // namespace magpie::server
