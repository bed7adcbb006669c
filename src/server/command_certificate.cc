#include <fmt/format.h>
#include <stdio.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/certificates.h"
#include "os/signing.h"
#include "server/admin_options.h"
#include "server/certificate_check.h"
#include "server/table.h"

namespace magpie::server {
namespace {

using nlohmann::json;

struct Options {
  AdminOptions show;  // only its format
  std::string file;
  std::string key;
  std::vector<std::string> data;
};

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

int unreadable(const Options& options, const std::string& path) {
  return report(options.show, {"wrong_argument", fmt::format("{} cannot be read", path),
                               "name a file that exists and that you may read", kExitUsage});
}

// As people read it, and as programs do.
std::pair<const char*, const char*> names_of(Verdict verdict) {
  if (verdict == Verdict::kGood) return {"ok ", "good"};
  return verdict == Verdict::kBad ? std::pair("BAD", "bad") : std::pair("?  ", "not_checkable");
}

int show(const Options& options, const std::vector<CertificateFinding>& findings) {
  json shown = json::array();
  for (const CertificateFinding& finding : findings) {
    shown.push_back({{"good", finding.verdict == Verdict::kGood},
                     {"verdict", names_of(finding.verdict).second},
                     {"finding", finding.text}});
    if (options.show.wants_json()) continue;
    fmt::print("{}  {}\n", names_of(finding.verdict).first, printable(finding.text));
  }
  const Verdict verdict = overall(findings);
  if (options.show.wants_json()) {
    const json all = {{"good", verdict == Verdict::kGood},
                      {"verdict", names_of(verdict).second},
                      {"findings", std::move(shown)}};
    fmt::print("{}\n", all.dump(2, ' ', false, json::error_handler_t::replace));
  }
  if (verdict == Verdict::kBad) return kExitDamaged;
  return verdict == Verdict::kGood ? kExitOk : kExitNotCheckable;
}

int verify(const Options& options) {
  const auto text = read_file(options.file);
  if (!text) return unreadable(options, options.file);
  const auto key = read_file(options.key);
  if (!key) return unreadable(options, options.key);
  const json parsed = json::parse(*text, nullptr, false);
  const auto findings = check_certificates(parsed, *key, options.data);
  if (!findings) {
    return report(options.show, {"wrong_argument", findings.error().message,
                                 "take the file from: magpie operation certificates, and the key "
                                 "from: magpie certificate-key",
                                 kExitUsage});
  }
  return show(options, *findings);
}

int make_key(const Options& options) {
  const std::string public_file = options.file + ".pub";
  if (read_file(options.file)) {
    return report(
        options.show,
        {"wrong_argument", fmt::format("{} exists", options.file),
         "choose another name; a key that is replaced makes old certificates useless", kExitUsage});
  }
  const auto keys = os::make_signing_keys();
  const Status written =
      keys ? os::write_certificate({keys->public_key, keys->private_key}, public_file, options.file)
           : Status(fail(keys.error()));
  if (!written) {
    return report(options.show, {"not_written", written.error().message,
                                 "choose a folder that you may write to", kExitUsage});
  }
  fmt::print("{} is the cluster's secret: give it to its nodes\n{} checks what it has signed\n",
             printable(options.file), printable(public_file));
  return kExitOk;
}

void add_output(CLI::App& command, AdminOptions& options) {
  command.add_option("-o,--output", options.format, "How to show the answer: table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

}  // namespace

void add_certificate_commands(CLI::App& app, Action* chosen) {
  CLI::App* check = app.add_subcommand(
      "verify-certificate", "Check what a move has proven: its signature, and surviving logs");
  auto options = std::make_shared<Options>();
  check->add_option("FILE", options->file, "From: magpie operation certificates")->required();
  check->add_option("--key", options->key, "The cluster's public key")->required();
  check->add_option("--data", options->data, "Data directory of a node that is stopped");
  add_output(*check, options->show);
  check->callback([chosen, options] { *chosen = [options] { return verify(*options); }; });

  CLI::App* make =
      app.add_subcommand("certificate-key", "Make the key that a cluster signs certificates with");
  auto made = std::make_shared<Options>();
  make->add_option("FILE", made->file, "Secret; FILE.pub gets the other half")->required();
  make->callback([chosen, made] { *chosen = [made] { return make_key(*made); }; });
}

}  // namespace magpie::server
