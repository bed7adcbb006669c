#include "server/certificate_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "control/journal_format.h"
#include "control/topic.h"
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

// A data directory that survived, and which topics its node knew.
struct Survivor {
  std::string directory;
  std::optional<control::State> state;
};

Result<Survivor> look_at(const std::string& directory, const std::string& cluster) {
  Survivor survivor{directory, {}};
  const std::string path = directory + "/control/journal";
  std::ifstream in(path, std::ios::binary);
  if (!in) return survivor;
  const std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  auto journal = control::recover_journal(path, Buffer::copy_of(content), cluster);
  if (!journal) return fail(journal.error());
  survivor.state = std::move(journal->state);
  return survivor;
}

struct Place {
  std::string folder;
  std::string note;  // what an operator should know of it
};

// Where the log of a listed partition lies. The error: another topic bears its name now.
Result<Place> locate(const json& partition, const Survivor& survivor) {
  const auto name = partition.at("topic").get<std::string>();
  const auto index = partition.at("partition").get<int64_t>();
  const Place by_name{fmt::format("{}/topics/{}-{}", survivor.directory, name, index), ""};
  const std::string id = partition.value("topic_id", "");
  if (id.empty()) return Place{by_name.folder, "; the certificate has no topic id to compare"};
  if (!survivor.state) return Place{by_name.folder, "; no journal here to compare the topic id"};
  const control::Topic* topic = survivor.state->find_topic(name);
  if (topic != nullptr && to_string(topic->id) == id) return by_name;
  const std::string deleted = fmt::format("{}/deleted/{}-{}", survivor.directory, id, index);
  std::error_code error;
  if (std::filesystem::is_directory(deleted, error)) {
    return Place{deleted, "; the topic has been deleted since, and can be restored"};
  }
  if (topic == nullptr) return Place{by_name.folder, "; no topic has this name any more"};
  return fail(ErrorKind::kNotFound,
              fmt::format("the topic of that name has the id {}, the certificate's had {}; it was "
                          "deleted and created again",
                          to_string(topic->id), id));
}

// What a certificate says of a partition: all offsets from `start` to `mark` were there.
struct Vouched {
  int64_t start;
  int64_t mark;
  std::optional<bool> compacted;
};

Vouched vouched_by(const json& partition) {
  const json compacted = partition.value("compacted", json());
  return {partition.at("log_start").get<int64_t>(), partition.at("high_watermark").get<int64_t>(),
          compacted.is_boolean() ? std::optional(compacted.get<bool>()) : std::nullopt};
}

// Batches that are missing where they must be.
CertificateFinding judge_gaps(const StoredLog& log, const Vouched& vouched, std::string text) {
  const bool compacted = log.may_have_gaps || vouched.compacted.value_or(false);
  int64_t jumps = 0;
  for (const StoredGap& gap : log.gaps) {
    const bool concerns = gap.to > vouched.start && gap.from < vouched.mark;
    if (compacted || !concerns) continue;
    if (gap.opens_epoch) {
      ++jumps;
    } else if (log.has_checkpoint || vouched.compacted) {
      return {Verdict::kBad,
              fmt::format("{}; no batch has the offsets {} to {}, and it was not compacted", text,
                          gap.from, gap.to - 1)};
    } else {
      return {Verdict::kNotCheckable,
              fmt::format("{}; no batch has the offsets {} to {}, and neither this certificate, "
                          "which is of an older version, nor a checkpoint says whether it was "
                          "compacted",
                          text, gap.from, gap.to - 1)};
    }
  }
  if (jumps > 0) {
    text += fmt::format("; {} as an epoch began, as after a failover with loss",
                        jumps == 1 ? "offsets were left out once" : "offsets were left out");
  }
  if (compacted) text += "; it was compacted, so which records are missing is not checked";
  return {Verdict::kGood, std::move(text)};
}

CertificateFinding judge(const StoredLog& log, const Vouched& vouched, std::string text) {
  if (vouched.start >= vouched.mark) {
    return {Verdict::kGood, text + "; it held no acknowledged record then"};
  }
  if (!log.end && !log.has_checkpoint) {
    return {Verdict::kBad, text + "; there is no checkpoint that says where they went"};
  }
  if (log.has_checkpoint && log.start >= vouched.mark) {
    return {Verdict::kNotCheckable,
            fmt::format("{}; its records below {} were deleted since, as retention does, so that "
                        "{} to {} were there cannot be checked",
                        text, log.start, vouched.start, vouched.mark)};
  }
  if (log.end.value_or(log.start) < vouched.mark) {
    return {Verdict::kBad, fmt::format("{}; the certificate says that it was complete up to {}",
                                       text, vouched.mark)};
  }
  if (!log.has_checkpoint && log.start > vouched.start) {
    return {Verdict::kNotCheckable,
            fmt::format("{}; started at {} then, and there is no checkpoint that says why it does "
                        "not any more",
                        text, vouched.start)};
  }
  if (log.start > vouched.start) {
    text +=
        fmt::format("; started at {} then, and what is deleted cannot be checked", vouched.start);
  }
  return judge_gaps(log, vouched, std::move(text));
}

CertificateFinding check_partition(const json& partition, const Survivor& survivor) {
  const std::string label = fmt::format("{} in {}: ", place_of(partition), survivor.directory);
  const auto place = locate(partition, survivor);
  if (!place) return {Verdict::kBad, label + place.error().message};
  const auto log = survey_log(place->folder);
  if (!log) return {Verdict::kBad, label + log.error().message + place->note};
  std::string text =
      log->end ? fmt::format("offsets {} to {}, {} records", log->start, *log->end, log->records)
               : std::string("no record is left");
  CertificateFinding finding = judge(*log, vouched_by(partition), label + text);
  finding.text += place->note;
  return finding;
}

void check_logs(const json& certificate, const std::string& directory,
                std::vector<CertificateFinding>& findings) {
  const auto survivor = look_at(directory, certificate.at("cluster").get<std::string>());
  if (!survivor) {
    findings.push_back({Verdict::kBad, survivor.error().message});
    return;
  }
  for (const json& partition : certificate.at("partitions")) {
    findings.push_back(check_partition(partition, *survivor));
  }
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
    findings.push_back(
        {Verdict::kBad, label + ": of a newer version; check it with a newer magpie"});
    return;
  }
  const json& signature = entry.at("signature");
  const auto good =
      os::is_signed(public_key, certificate.dump(), signature.is_string() ? signature : json(""));
  if (!good) {
    status = fail(good.error());
    return;
  }
  findings.push_back(
      {*good ? Verdict::kGood : Verdict::kBad,
       label + (*good                 ? ": the signature is the key's"
                : signature.is_null() ? ": it is not signed"
                                      : ": the signature is not that of this key and text")});
  if (const json& doubt = certificate.at("unverified"); !doubt.is_null()) {
    findings.push_back({Verdict::kGood, "not verified then: " + doubt.get<std::string>()});
  }
  for (const std::string& directory : directories) check_logs(certificate, directory, findings);
}

}  // namespace

Verdict overall(const std::vector<CertificateFinding>& findings) {
  Verdict worst = Verdict::kGood;
  for (const CertificateFinding& finding : findings) worst = std::max(worst, finding.verdict);
  return worst;
}

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
