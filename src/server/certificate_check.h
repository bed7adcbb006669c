// Checking certificates (docs/formats/certificate.md) without the cluster: the signature, and the
// logs that survived.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace magpie::server {

enum class Verdict {
  kGood,
  kNotCheckable,  // what it speaks of is not there any more, and should not be
  kBad,
};

struct CertificateFinding {
  Verdict verdict = Verdict::kBad;
  std::string text;  // one line
};

// What all of them come to: the worst.
Verdict overall(const std::vector<CertificateFinding>& findings);

// What became of everything that the signed certificates in `file` say. The error is about the file
// or the key as such.
Result<std::vector<CertificateFinding>> check_certificates(
    const nlohmann::json& file, const std::string& public_key,
    const std::vector<std::string>& data_directories);

}  // namespace magpie::server
