// Checking certificates (docs/formats/certificate.md) without the cluster: the signature, and the
// logs that survived.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace magpie::server {

// What the folder of a partition holds.
struct LogExtent {
  int64_t start = 0;
  int64_t end = 0;
  int64_t records = 0;
};
// Reads all batches of DIRECTORY/topics/TOPIC-PARTITION. kNotFound if there is no such folder;
// kCorrupt, naming file and position, if a batch does not match its checksum or goes back. What is
// cut short at the very end is not counted: it was being written.
Result<LogExtent> read_log_extent(const std::string& folder);

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
