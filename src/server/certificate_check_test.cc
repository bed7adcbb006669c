#include "server/certificate_check.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "os/signing.h"
#include "record/builder.h"
#include "server/testing.h"

namespace magpie::server {
namespace {

using nlohmann::json;

class CertificateCheck : public ::testing::Test {
 protected:
  CertificateCheck() : keys_(*os::make_signing_keys()) {
    std::filesystem::create_directories(folder());
  }
  std::string data() const { return directory_.path(); }
  std::string folder() const { return data() + "/topics/orders-0"; }

  static std::string batch(int64_t base, int records) {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
    std::string bytes(builder.build().text());
    for (int i = 0; i < 8; ++i) bytes[7 - i] = static_cast<char>(base >> (8 * i));
    return bytes;
  }
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder() + "/" + name, std::ios::binary) << bytes;
  }
  // Offsets 5 to 25 in two segments.
  void write_log() {
    write("00000000000000000005.log", batch(5, 5) + batch(10, 5));
    write("00000000000000000015.log", batch(15, 10));
  }
  json signed_certificate(int64_t high_watermark) const {
    const json certificate = {{"v", 1},
                              {"cluster", "shop"},
                              {"operation", 4},
                              {"group", "pay"},
                              {"statement", {{"loss", "zero-proven"}}},
                              {"unverified", nullptr},
                              {"partitions", json::array({{{"topic", "orders"},
                                                           {"partition", 0},
                                                           {"log_start", 0},
                                                           {"log_end", high_watermark},
                                                           {"high_watermark", high_watermark}}})}};
    const auto key = os::SigningKey::read(keys_.private_key);
    return {{"certificate", certificate}, {"signature", key->sign(certificate.dump())}};
  }
  // All findings are good; the texts are kept.
  bool good(const json& file, std::vector<std::string> directories = {}) {
    const auto findings = check_certificates(file, keys_.public_key, directories);
    said_.clear();
    if (!findings) {
      said_ = findings.error().message;
      return false;
    }
    bool all = true;
    for (const CertificateFinding& finding : *findings) {
      all = all && finding.good;
      said_ += finding.text + "\n";
    }
    return all;
  }

  os::TempFolder directory_;
  os::SigningKeyPair keys_;
  std::string said_;
};

TEST_F(CertificateCheck, ASignatureIsThatOfKeyAndText) {
  const json one = signed_certificate(20);
  EXPECT_TRUE(good(one)) << said_;
  EXPECT_EQ(said_,
            "operation 4 of cluster shop, failover group pay: loss zero-proven: the signature is "
            "the key's\n");
  EXPECT_TRUE(good({{"certificates", json::array({one, one})}}));
  json changed = one;
  changed["certificate"]["statement"]["loss"] = "unknown";
  EXPECT_FALSE(good(changed));
  json unsigned_one = one;
  unsigned_one["signature"] = nullptr;
  EXPECT_FALSE(good(unsigned_one));
  EXPECT_NE(said_.find("not signed"), std::string::npos);
  json newer = one;
  newer["certificate"]["v"] = 2;
  EXPECT_FALSE(good(newer));
  for (const json& bad : {json(), json::array(), json{{"certificates", 1}},
                          json{{"certificate", json::object()}, {"signature", "x"}}}) {
    EXPECT_FALSE(good(bad));
    EXPECT_NE(said_.find("holds no certificates"), std::string::npos) << said_;
  }
  keys_.public_key = "key";
  EXPECT_FALSE(good(one));
  EXPECT_NE(said_.find("Ed25519"), std::string::npos);
}

TEST_F(CertificateCheck, ALogMustReachWhatTheCertificateSays) {
  write_log();
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << said_;
  EXPECT_NE(said_.find("offsets 5 to 25, 20 records; started at 0 then"), std::string::npos)
      << said_;
  EXPECT_FALSE(good(signed_certificate(26), {data()}));
  EXPECT_NE(said_.find("complete up to 26"), std::string::npos) << said_;
  EXPECT_FALSE(good(signed_certificate(1), {data() + "/nothing"}));
}

TEST_F(CertificateCheck, DamageIsNoSurvivingLog) {
  write_log();
  write("00000000000000000015.log", batch(15, 10) + batch(25, 5).substr(0, 30));
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << "cut short at the end: " << said_;
  write("00000000000000000005.log", batch(5, 5) + batch(10, 5).substr(0, 70));
  EXPECT_FALSE(good(signed_certificate(25), {data()}));
  std::string bent = batch(5, 5) + batch(10, 5);
  bent.back() ^= 1;
  write("00000000000000000005.log", bent);
  EXPECT_FALSE(good(signed_certificate(25), {data()}));
  EXPECT_NE(said_.find("at byte"), std::string::npos) << said_;
  write("00000000000000000005.log", batch(5, 15));
  EXPECT_FALSE(good(signed_certificate(25), {data()})) << "the segments overlap";
}

TEST_F(CertificateCheck, ByCommand) {
  write_log();
  const std::string key = data() + "/cluster";
  const CommandResult made = run_magpie({"certificate-key", key});
  EXPECT_EQ(made.exit_code, 0) << made.output;
  EXPECT_EQ(run_magpie({"certificate-key", key}).exit_code, 1) << "it exists";
  std::ifstream secret(key);
  keys_.private_key.assign(std::istreambuf_iterator<char>(secret), {});
  const std::string file = data() + "/certificates.json";
  std::ofstream(file) << signed_certificate(25);
  const CommandResult checked =
      run_magpie({"verify-certificate", file, "--key", key + ".pub", "--data", data()});
  EXPECT_EQ(checked.exit_code, 0) << checked.output;
  EXPECT_EQ(checked.output.substr(0, 7), "ok   op") << checked.output;
  std::ofstream(file) << signed_certificate(99);
  EXPECT_EQ(
      run_magpie({"verify-certificate", file, "--key", key + ".pub", "--data", data()}).exit_code,
      4);
  EXPECT_EQ(run_magpie({"verify-certificate", file, "--key", data() + "/none"}).exit_code, 1);
}

}  // namespace
}  // namespace magpie::server
