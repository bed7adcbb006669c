#include "os/certificates.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "os/clock.h"
#include "os/openssl.h"
#include "os/testing.h"
#include "os/tls_check.h"

namespace magpie::os {
namespace {

constexpr int64_t kYear = 365ll * 24 * 3'600'000;

CertificateRequest request_for(const std::string& name) {
  const WallTime now = read_clocks().wall;
  return {.name = name, .from = {now.millis - 60'000}, .until = {now.millis + 10 * kYear}};
}

X509Ref parse(const std::string& pem) {
  const BioRef memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ref(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}

TEST(Certificates, ANodeIsVouchedForByItsAuthorityAlone) {
  const auto authority = make_authority(request_for("magpie dev"));
  const auto stranger = make_authority(request_for("magpie dev"));
  ASSERT_TRUE(authority.has_value() && stranger.has_value());
  const auto node = make_certificate(*authority, request_for("bj-1"));
  ASSERT_TRUE(node.has_value());
  const X509Ref certificate = parse(node->certificate);
  ASSERT_NE(certificate, nullptr);
  const X509Ref issuer = parse(authority->certificate);
  const X509Ref other = parse(stranger->certificate);
  EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())), 1);
  EXPECT_NE(X509_verify(certificate.get(), X509_get0_pubkey(other.get())), 1);
  EXPECT_EQ(name_of(certificate.get()), "bj-1");
  EXPECT_EQ(X509_check_ca(certificate.get()), 0);
  EXPECT_EQ(X509_check_ca(issuer.get()), 1);
}

TEST(Certificates, SayTheHostsAndServeBothEnds) {
  const auto authority = make_authority(request_for("authority"));
  const auto node = make_certificate(*authority, request_for("bj-1"));
  ASSERT_TRUE(node.has_value());
  const X509Ref certificate = parse(node->certificate);
  EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "elsewhere", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_SERVER, 0), 1);
  EXPECT_EQ(X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_CLIENT, 0), 1);
}

TEST(Certificates, WithoutACommonNameTheFirstHostIsTheName) {
  const auto authority = make_authority(request_for("authority"));
  CertificateRequest request = request_for("unused");
  request.hosts = {"10.0.0.1", "node.example", "other.example"};
  const auto node = make_certificate(*authority, request);
  ASSERT_TRUE(node.has_value());
  const X509Ref certificate = parse(node->certificate);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
  EXPECT_EQ(name_of(certificate.get()), "node.example");
}

TEST(Certificates, RefuseWhatTheyCannotHold) {
  const auto authority = make_authority(request_for("authority"));
  EXPECT_FALSE(make_authority(request_for("")).has_value());
  EXPECT_FALSE(make_certificate(*authority, request_for(std::string(65, 'x'))).has_value());
  CertificateRequest request = request_for("n1");
  request.hosts = {"a,IP:10.0.0.1"};
  EXPECT_FALSE(make_certificate(*authority, request).has_value());
  const auto node = make_certificate(*authority, request_for("n1"));
  EXPECT_FALSE(make_certificate(*node, request_for("n2")).has_value());
  EXPECT_FALSE(make_certificate({"no", "PEM"}, request_for("n2")).has_value());
}

TEST(Certificates, KeepTheKeyToTheOwner) {
  TempFolder folder;
  const auto authority = make_authority(request_for("authority"));
  const std::string certificate_file = folder.file("node.pem");
  const std::string key_file = folder.file("node.key");
  for (int round = 0; round < 2; ++round) {  // the second time over existing files
    ASSERT_TRUE(write_certificate(*authority, certificate_file, key_file).has_value());
  }
  struct stat found {};
  ASSERT_EQ(::stat(key_file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  std::ostringstream text;
  text << std::ifstream(certificate_file).rdbuf();
  EXPECT_EQ(text.str(), authority->certificate);
  const Status refused = write_certificate(*authority, folder.file("no/where"), key_file);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("no/where"), std::string::npos);
}

}  // namespace
}  // namespace magpie::os
