// libssl, with what certificates need of libcrypto. The functions stand for macros and for functions with variable
// arguments, neither of which Swift can call.

#ifndef CLIBSSL_SHIM_H
#define CLIBSSL_SHIM_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/// TLS 1.3 and nothing older, in both directions.
static inline int hawker_ssl_only_13(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

static inline int hawker_ssl_from_12(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

/// Tells the server which of its names is meant (RFC 6066 section 3), which a literal address is not.
static inline int hawker_ssl_name_server(SSL *ssl, const char *host) {
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    if (address) {
        ASN1_OCTET_STRING_free(address);
        return 1;
    }
    return SSL_set_tlsext_host_name(ssl, host) == 1;
}

/// No session outlives its connection: each handshake shows certificates.
static inline int hawker_ssl_no_resumption(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(context, 0);
}

static inline void hawker_ssl_bounds(SSL_CTX *context, int chain_bytes) {
    SSL_CTX_set_max_cert_list(context, chain_bytes);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
}

static inline int hawker_ssl_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate) == 1;
}

/// The certificates that are sent beside the context's own.
static inline STACK_OF(X509) *hawker_ssl_chain(SSL_CTX *context) {
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(context, &chain);
    return chain;
}

static inline int hawker_err_reason(unsigned long error) { return ERR_GET_REASON(error); }

static inline int hawker_err_is_ssl(unsigned long error) { return ERR_GET_LIB(error) == ERR_LIB_SSL; }

/// A key in PEM; one that wants a password is not taken.
static inline EVP_PKEY *hawker_read_key(BIO *bio) { return PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)""); }

static inline long hawker_bio_text(BIO *bio, char **text) { return BIO_get_mem_data(bio, text); }

static inline EVP_PKEY *hawker_new_key(void) { return EVP_EC_gen("P-256"); }

static inline int hawker_name_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

static inline GENERAL_NAME *hawker_name_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

/// The text or the bytes of a name: its type is GEN_DNS, GEN_URI, GEN_IPADD, or -1 for others.
static inline int hawker_name_value(const GENERAL_NAME *name, const unsigned char **bytes, int *count) {
    int type = name->type;
    if (type != GEN_DNS && type != GEN_URI && type != GEN_IPADD) return -1;
    const ASN1_STRING *text = type == GEN_IPADD ? name->d.iPAddress : name->d.ia5;
    *bytes = ASN1_STRING_get0_data(text);
    *count = ASN1_STRING_length(text);
    return type;
}

static inline void hawker_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

/// An extension of a new certificate, in the words of x509v3_config(5).
static inline int hawker_add_extension(X509 *certificate, X509 *issuer, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    if (!extension) return 0;
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

#endif
