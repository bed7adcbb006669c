#include "os/signing.h"

#include <openssl/pem.h>

#include <utility>
#include <vector>

#include "base/check.h"
#include "os/openssl.h"

namespace magpie::os {
namespace {

using DigestRef = std::unique_ptr<EVP_MD_CTX, OpensslDelete<EVP_MD_CTX_free>>;

constexpr size_t kSignatureBytes = 64;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

BioRef reader(const std::string& text) {
  return BioRef(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string public_pem(EVP_PKEY* key) {
  const BioRef out(BIO_new(BIO_s_mem()));
  CHECK(out != nullptr && PEM_write_bio_PUBKEY(out.get(), key) == 1);
  return content(out.get());
}

std::string to_base64(const std::vector<unsigned char>& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

// 64 bytes are 86 digits and two signs that fill up; anything else is no signature.
std::vector<unsigned char> signature_of(const std::string& base64) {
  constexpr size_t kDigits = 88;
  std::vector<unsigned char> bytes(kDigits);
  if (base64.size() != kDigits || !base64.ends_with("==")) return {};
  const int length = EVP_DecodeBlock(bytes.data(), bytes_of(base64), static_cast<int>(kDigits));
  if (length < static_cast<int>(kSignatureBytes)) return {};
  bytes.resize(kSignatureBytes);
  return bytes;
}

tl::unexpected<Error> no_key(const char* which) {
  ERR_clear_error();
  return fail(ErrorKind::kInvalidArgument,
              std::string("this is no Ed25519 ") + which + " key in PEM form");
}

}  // namespace

struct SigningKey::Key {
  KeyRef key;
};

Result<SigningKeyPair> make_signing_keys() {
  const KeyRef key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const BioRef out(BIO_new(BIO_s_mem()));
  const bool written =
      key != nullptr && out != nullptr &&
      PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!written) return fail(ErrorKind::kIo, "a signing key cannot be made");
  return SigningKeyPair{content(out.get()), public_pem(key.get())};
}

Result<SigningKey> SigningKey::read(const std::string& private_key_pem) {
  const BioRef in = reader(private_key_pem);
  auto key = std::make_shared<Key>();
  key->key.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  if (key->key == nullptr || EVP_PKEY_get_id(key->key.get()) != EVP_PKEY_ED25519) {
    return no_key("private");
  }
  return SigningKey(std::move(key));
}

std::string SigningKey::sign(std::string_view text) const {
  const DigestRef context(EVP_MD_CTX_new());
  std::vector<unsigned char> signature(kSignatureBytes);
  size_t size = signature.size();
  CHECK(context != nullptr &&
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->key.get()) == 1);
  CHECK(EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(text), text.size()) == 1);
  return to_base64(signature);
}

std::string SigningKey::public_key() const {
  return public_pem(key_->key.get());
}

Result<bool> is_signed(const std::string& public_key_pem, std::string_view text,
                       const std::string& signature) {
  const BioRef in = reader(public_key_pem);
  const KeyRef key(PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) return no_key("public");
  const std::vector<unsigned char> bytes = signature_of(signature);
  if (bytes.empty()) return false;
  const DigestRef context(EVP_MD_CTX_new());
  CHECK(context != nullptr &&
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  const int good =
      EVP_DigestVerify(context.get(), bytes.data(), bytes.size(), bytes_of(text), text.size());
  ERR_clear_error();
  return good == 1;
}

}  // namespace magpie::os
