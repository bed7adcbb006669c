#include "server/certificate_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>

#include "base/byte_writer.h"
#include "control/journal_format.h"
#include "control/keys.h"
#include "log/checkpoint.h"
#include "log/file_names.h"
#include "os/signing.h"
#include "partition/epoch_cache.h"
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

  static std::string batch(int64_t base, int records, int32_t epoch = 1) {
    record::BatchBuilder builder;
    for (int i = 0; i < records; ++i) builder.add({.timestamp = 1, .key = "k", .value = "v"});
    std::string bytes(builder.build().text());
    record::BatchHeader header = record::parse_header(std::as_bytes(std::span(bytes)));
    header.base_offset = Offset{base};
    header.leader_epoch = LeaderEpoch{epoch};
    record::store_header(std::as_writable_bytes(std::span(bytes)), header);
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
  // What a node writes when it stops in order, of the segments that are there.
  void write_checkpoint(int64_t start, int64_t end, bool gaps = false,
                        const std::vector<partition::EpochCache::Entry>& epochs = {}) {
    log::Checkpoint checkpoint;
    checkpoint.start = Offset{start};
    checkpoint.may_have_gaps = gaps;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      const auto name = log::parse_segment_file_name(entry.path().filename().string());
      if (!name) continue;
      checkpoint.segments.push_back({.base = name->base, .next = name->base});
      checkpoint.segments.back().size = entry.file_size();
    }
    std::sort(checkpoint.segments.begin(), checkpoint.segments.end(),
              [](const auto& a, const auto& b) { return a.base < b.base; });
    if (checkpoint.segments.empty()) checkpoint.segments.push_back({.base = Offset{end}});
    for (size_t i = 1; i < checkpoint.segments.size(); ++i) {
      checkpoint.segments[i - 1].next = checkpoint.segments[i].base;
    }
    checkpoint.segments.back().next = Offset{end};
    partition::EpochCache cache;
    for (const auto& entry : epochs) cache.assign(entry.epoch, entry.start);
    ByteWriter state;
    state.write_int16(3);
    cache.encode(state);
    checkpoint.saved = log::SavedState{Offset{end}, checkpoint.segments.back().base,
                                       checkpoint.segments.back().size, flatten(state.finish())};
    write(std::string(log::kCheckpointName), std::string(log::encode(checkpoint).text()));
  }
  // Which topic bears the name in this directory.
  void write_journal(const Uuid& id, const std::string& cluster = "shop") {
    control::State state;
    ASSERT_TRUE(state.apply(1, {{control::topic_key("orders"),
                                 R"({"v":1,"id":")" + to_string(id) + R"(","placement":[1]})"}}));
    std::filesystem::create_directories(data() + "/control");
    std::ofstream(data() + "/control/journal", std::ios::binary)
        << flatten(control::encode_journal(cluster, state)).text();
  }
  static Uuid id(uint8_t byte) {
    Uuid id;
    id.bytes.fill(byte);
    return id;
  }
  json signed_certificate(int64_t high_watermark, json more = json::object()) const {
    json certificate = {{"v", 1},
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
    certificate["partitions"][0].update(more);
    const auto key = os::SigningKey::read(keys_.private_key);
    return {{"certificate", certificate}, {"signature", key->sign(certificate.dump())}};
  }
  // What the findings come to; their texts are kept.
  Verdict verdict(const json& file, std::vector<std::string> directories = {}) {
    const auto findings = check_certificates(file, keys_.public_key, directories);
    said_.clear();
    if (!findings) {
      said_ = findings.error().message;
      return Verdict::kBad;
    }
    for (const CertificateFinding& finding : *findings) said_ += finding.text + "\n";
    return overall(*findings);
  }
  bool good(const json& file, std::vector<std::string> directories = {}) {
    return verdict(file, std::move(directories)) == Verdict::kGood;
  }
  bool said(const std::string& text) const { return said_.find(text) != std::string::npos; }

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
  write_checkpoint(5, 25);
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << said_;
  EXPECT_TRUE(said("offsets 5 to 25, 20 records")) << said_;
  EXPECT_TRUE(said("started at 0 then, and what is deleted cannot be checked")) << said_;
  EXPECT_FALSE(good(signed_certificate(26), {data()}));
  EXPECT_NE(said_.find("complete up to 26"), std::string::npos) << said_;
  EXPECT_FALSE(good(signed_certificate(1), {data() + "/nothing"}));
}

TEST_F(CertificateCheck, DamageIsNoSurvivingLog) {
  write_log();
  write_checkpoint(5, 25);
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

TEST_F(CertificateCheck, AHoleIsNoWholeLog) {
  write("00000000000000000000.log", batch(0, 10) + batch(15, 10));
  for (const json& compacted : {json(false), json()}) {
    write_checkpoint(0, 25);
    EXPECT_EQ(verdict(signed_certificate(25, {{"compacted", compacted}}), {data()}), Verdict::kBad);
    EXPECT_TRUE(said("no batch has the offsets 10 to 14, and it was not compacted")) << said_;
  }
  EXPECT_TRUE(good(signed_certificate(10), {data()})) << "it speaks of what is before: " << said_;
  EXPECT_TRUE(good(signed_certificate(25, {{"log_start", 15}}), {data()})) << said_;
  write_checkpoint(0, 25, /*gaps=*/true);
  EXPECT_TRUE(good(signed_certificate(25, {{"compacted", false}}), {data()})) << said_;
  EXPECT_TRUE(said("it was compacted, so which records are missing is not checked")) << said_;
}

TEST_F(CertificateCheck, WithoutACheckpointTheCertificateSaysWhetherHolesMayBe) {
  write("00000000000000000000.log", batch(0, 10) + batch(15, 10));
  EXPECT_EQ(verdict(signed_certificate(25, {{"compacted", false}}), {data()}), Verdict::kBad);
  EXPECT_TRUE(good(signed_certificate(25, {{"compacted", true}}), {data()})) << said_;
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kNotCheckable) << said_;
  EXPECT_TRUE(said("which is of an older version")) << said_;
  write("00000000000000000000.log", batch(0, 25));
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << "an old certificate of a whole log";
}

TEST_F(CertificateCheck, AnEpochMayBeginBeyondTheEndOfTheOneBefore) {
  write("00000000000000000000.log", batch(0, 10, 1) + batch(1000, 10, 4));
  EXPECT_TRUE(good(signed_certificate(1010, {{"compacted", false}}), {data()})) << said_;
  EXPECT_TRUE(said("offsets were left out once as an epoch began")) << said_;
  write_checkpoint(0, 1010, false, {{LeaderEpoch{1}, Offset{0}}, {LeaderEpoch{4}, Offset{10}}});
  EXPECT_TRUE(good(signed_certificate(1010), {data()})) << said_;
  write_checkpoint(0, 1010, false, {{LeaderEpoch{1}, Offset{0}}, {LeaderEpoch{4}, Offset{12}}});
  EXPECT_EQ(verdict(signed_certificate(1010), {data()}), Verdict::kBad)
      << "epoch 1 reached up to 12: " << said_;
}

TEST_F(CertificateCheck, ASegmentThatIsGoneIsNotRetention) {
  write("00000000000000000000.log", batch(0, 10));
  write_log();
  std::filesystem::remove(folder() + "/00000000000000000000.log");
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kNotCheckable) << said_;
  EXPECT_TRUE(said("no checkpoint that says why")) << said_;
  write("00000000000000000000.log", batch(0, 5));
  write_checkpoint(0, 25);
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << said_;
  std::filesystem::remove(folder() + "/00000000000000000000.log");
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kBad);
  EXPECT_TRUE(said("00000000000000000000.log is missing")) << said_;
}

TEST_F(CertificateCheck, WhatRetentionHasEmptiedCannotBeChecked) {
  write("00000000000000000025.log", "");
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kBad)
      << "the name of a file is no record: " << said_;
  write_checkpoint(25, 25);
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kNotCheckable) << said_;
  EXPECT_TRUE(said("no record is left; its records below 25 were deleted since")) << said_;
  EXPECT_TRUE(good(signed_certificate(25, {{"log_start", 25}}), {data()})) << said_;
  std::filesystem::remove(folder() + "/00000000000000000025.log");
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kNotCheckable)
      << "an active segment without records has no file: " << said_;
  write_checkpoint(20, 25);
  write("00000000000000000025.log", "");
  EXPECT_EQ(verdict(signed_certificate(25), {data()}), Verdict::kBad)
      << "20 to 25 should be there: " << said_;
}

TEST_F(CertificateCheck, ATopicIsKnownByItsId) {
  write("00000000000000000000.log", batch(0, 25));
  const json file = signed_certificate(25, {{"topic_id", to_string(id(1))}});
  EXPECT_TRUE(good(file, {data()})) << said_;
  EXPECT_TRUE(said("no journal here to compare the topic id")) << said_;
  write_journal(id(1));
  EXPECT_TRUE(good(file, {data()})) << said_;
  EXPECT_TRUE(good(signed_certificate(25), {data()})) << "it has no id: " << said_;
  write_journal(id(2));
  EXPECT_EQ(verdict(file, {data()}), Verdict::kBad);
  EXPECT_TRUE(said("deleted and created again")) << said_;
  const std::string kept = data() + "/deleted/" + to_string(id(1)) + "-0";
  std::filesystem::create_directories(data() + "/deleted");
  std::filesystem::rename(folder(), kept);
  EXPECT_TRUE(good(file, {data()})) << said_;
  EXPECT_TRUE(said("can be restored")) << said_;
  write_journal(id(1), "bank");
  EXPECT_EQ(verdict(file, {data()}), Verdict::kBad) << said_;
}

TEST_F(CertificateCheck, ByCommand) {
  write_log();
  write_checkpoint(5, 25);
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
  std::ofstream(file) << signed_certificate(5);
  const CommandResult emptied = run_magpie(
      {"verify-certificate", file, "--key", key + ".pub", "--data", data(), "-o", "json"});
  EXPECT_EQ(emptied.exit_code, 5) << emptied.output;
  const json answer = json::parse(emptied.output);
  EXPECT_EQ(answer["good"], false);
  EXPECT_EQ(answer["verdict"], "not_checkable");
  EXPECT_EQ(answer["findings"][1]["verdict"], "not_checkable");
  EXPECT_EQ(run_magpie({"verify-certificate", file, "--key", data() + "/none"}).exit_code, 1);
}

}  // namespace
}  // namespace magpie::server
