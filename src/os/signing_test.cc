#include "os/signing.h"

#include <gtest/gtest.h>

namespace magpie::os {
namespace {

TEST(Signing, WhatWasSignedIsToldFromWhatWasNot) {
  const auto keys = make_signing_keys();
  ASSERT_TRUE(keys);
  const auto key = SigningKey::read(keys->private_key);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key(), keys->public_key);
  const std::string signature = key->sign("nothing was lost");
  EXPECT_EQ(signature.size(), 88u);
  EXPECT_EQ(signature, key->sign("nothing was lost"));
  EXPECT_TRUE(*is_signed(keys->public_key, "nothing was lost", signature));
  EXPECT_FALSE(*is_signed(keys->public_key, "nothing was lost.", signature));
  EXPECT_FALSE(*is_signed(make_signing_keys()->public_key, "nothing was lost", signature));
  std::string bent = signature;
  bent[5] = bent[5] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {bent, signature.substr(1), std::string(), std::string(88, '!')}) {
    EXPECT_FALSE(*is_signed(keys->public_key, "nothing was lost", bad)) << bad;
  }
}

// The second test vector of RFC 8032, section 7.1.
TEST(Signing, IsEd25519) {
  const auto key = SigningKey::read(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
      "-----END PRIVATE KEY-----\n");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->sign("r"),
            "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA"
            "==");
}

TEST(Signing, OtherKeysAreRefused) {
  for (const char* bad : {"", "key", "-----BEGIN PRIVATE KEY-----\n"}) {
    EXPECT_FALSE(SigningKey::read(bad));
    EXPECT_FALSE(is_signed(bad, "text", "signature"));
  }
  EXPECT_FALSE(is_signed(make_signing_keys()->private_key, "text", "signature"));
}

}  // namespace
}  // namespace magpie::os
