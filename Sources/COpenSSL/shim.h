#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H
// The state of SHA-256 between two blocks is only to be had from functions that OpenSSL 3 calls deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#endif
