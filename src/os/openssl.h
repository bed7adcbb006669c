// OpenSSL's objects with owners. Private to this folder, like asio.h.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace magpie::os {

template <auto Release>
struct OpensslDelete {
  template <typename T>
  void operator()(T* object) const {
    Release(object);
  }
};

using SslContextRef = std::unique_ptr<SSL_CTX, OpensslDelete<SSL_CTX_free>>;
using SslRef = std::unique_ptr<SSL, OpensslDelete<SSL_free>>;
using X509Ref = std::unique_ptr<X509, OpensslDelete<X509_free>>;
using KeyRef = std::unique_ptr<EVP_PKEY, OpensslDelete<EVP_PKEY_free>>;
using BioRef = std::unique_ptr<BIO, OpensslDelete<BIO_free_all>>;

}  // namespace magpie::os
