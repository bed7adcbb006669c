// Signatures that outlive the cluster: Ed25519 (RFC 8032), keys as PEM files, signatures in base64.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace magpie::os {

// PEM texts.
struct SigningKeyPair {
  std::string private_key;  // secret
  std::string public_key;
};
Result<SigningKeyPair> make_signing_keys();

class SigningKey {
 public:
  // From a PEM text. kInvalidArgument if it is no Ed25519 key.
  static Result<SigningKey> read(const std::string& private_key_pem);

  // The signature of `text`. The same text always has the same one.
  std::string sign(std::string_view text) const;
  // Of the other half.
  std::string public_key() const;

 private:
  struct Key;
  explicit SigningKey(std::shared_ptr<const Key> key) : key_(std::move(key)) {}

  std::shared_ptr<const Key> key_;
};

// True if `signature` is that of `text` by the owner of the key. kInvalidArgument if the key is no
// Ed25519 public key.
Result<bool> is_signed(const std::string& public_key_pem, std::string_view text,
                       const std::string& signature);

}  // namespace magpie::os
