#include "server/certificate_check.h"

#include <fmt/format.h>

#include "os/signing.h"
#include "server/stored_log.h"

namespace magpie::server {
namespace {

using nlohmann::json;

tl::unexpected<Error> not_certificates() {
  return fail(ErrorKind::kInvalidArgument,
              "the file holds no certificates as docs/formats/certificate.md shows them");
}

std::vector<json> certificates_in(const json& file) {
  if (file.is_object() && file.contains("certificate")) return {file};
  const json list = file.is_object() ? file.value("certificates", json()) : json();
  if (!list.is_array()) return {};
  return {list.begin(), list.end()};
}

std::string place_of(const json& partition) {
  return fmt::format("{}-{}", partition.at("topic").get<std::string>(),
                     partition.at("partition").get<int64_t>());
}

CertificateFinding check_partition(const json& partition, const std::string& directory) {
  const std::string place = place_of(partition);
  const std::string folder = directory + "/topics/" + place;
  const auto extent = read_log_extent(folder);
  if (!extent)
    return {false, fmt::format("{} in {}: {}", place, directory, extent.error().message)};
  const auto mark = partition.at("high_watermark").get<int64_t>();
  const auto start = partition.at("log_start").get<int64_t>();
  std::string text = fmt::format("{} in {}: offsets {} to {}, {} records", place, directory,
                                 extent->start, extent->end, extent->records);
  if (extent->end < mark) {
    return {false,
            fmt::format("{}; the certificate says that it was complete up to {}", text, mark)};
  }
  if (extent->start > start) text += fmt::format("; started at {} then", start);
  return {true, std::move(text)};
}

void check_one(const json& entry, const std::string& public_key,
               const std::vector<std::string>& directories,
               std::vector<CertificateFinding>& findings, Status& status) {
  const json& certificate = entry.at("certificate");
  const json& statement = certificate.at("statement");
  const std::string label = fmt::format(
      "operation {} of cluster {}, failover group {}: loss {}",
      certificate.at("operation").get<int64_t>(), certificate.at("cluster").get<std::string>(),
      certificate.at("group").get<std::string>(), statement.at("loss").get<std::string>());
  if (certificate.at("v").get<int64_t>() > 1) {
    findings.push_back({false, label + ": of a newer version; check it with a newer magpie"});
    return;
  }
  const json& signature = entry.at("signature");
  const auto good =
      os::is_signed(public_key, certificate.dump(), signature.is_string() ? signature : json(""));
  if (!good) {
    status = fail(good.error());
    return;
  }
  findings.push_back({*good, label + (*good ? ": the signature is the key's"
                                      : signature.is_null()
                                          ? ": it is not signed"
                                          : ": the signature is not that of this key and text")});
  if (const json& doubt = certificate.at("unverified"); !doubt.is_null()) {
    findings.push_back({true, "not verified then: " + doubt.get<std::string>()});
  }
  for (const std::string& directory : directories) {
    for (const json& partition : certificate.at("partitions")) {
      findings.push_back(check_partition(partition, directory));
    }
  }
}

}  // namespace

Result<std::vector<CertificateFinding>> check_certificates(
    const json& file, const std::string& public_key,
    const std::vector<std::string>& data_directories) {
  const std::vector<json> entries = certificates_in(file);
  if (entries.empty()) return not_certificates();
  std::vector<CertificateFinding> findings;
  Status status;
  // The library throws if a field is not there or of another type; this is the boundary.
  try {
    for (const json& entry : entries) {
      check_one(entry, public_key, data_directories, findings, status);
      if (!status) return fail(status.error());
    }
  } catch (const json::exception&) {
    return not_certificates();
  }
  return findings;
}

}  // namespace magpie::server
