import CLibSSL
import Glibc

/// A certificate and its key, both in PEM.
package struct IssuedCertificate: Sendable {
    package let certificate: [UInt8]
    package let key: [UInt8]
    /// What the certificate says.
    package let content: Certificate
}

/// Makes the certificates that a cluster's nodes need: EC keys on P-256, signed with SHA-256.
package enum CertificateMaker {
    /// From when and until when a certificate is good, in seconds from now.
    package struct Life: Sendable {
        package var start: Int
        package var end: Int

        /// Who reads it may have a clock that is a little behind.
        package static func days(_ days: Int) -> Life { Life(start: -300, end: days * 86_400) }

        package init(start: Int, end: Int) {
            self.start = start
            self.end = end
        }
    }

    /// A self-signed authority that signs nodes' certificates and no further authorities. `name` has at most 64 bytes.
    package static func authority(named name: String, _ life: Life) throws(TLSError) -> IssuedCertificate {
        let key = try newKey()
        defer { EVP_PKEY_free(key) }
        let draft = try Draft(subject: name, key: key, life)
        try draft.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: draft.pointer)
        try draft.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: draft.pointer)
        try draft.add(NID_subject_key_identifier, "hash", issuer: draft.pointer)
        return try draft.issued(as: draft.pointer, signedWith: key, key: key)
    }

    /// A node's certificate, for both sides of a connection. `host` is what its name is, spelled as a host; `addresses`
    /// are literal. The authority is in PEM.
    package static func node(
        _ host: String, addresses: [String], _ life: Life, authority: (certificate: [UInt8], key: [UInt8])
    ) throws(TLSError) -> IssuedCertificate {
        let chain = try PEM.certificates(authority.certificate)
        defer { PEM.free(chain) }
        let signer = try PEM.key(authority.key)
        defer { EVP_PKEY_free(signer) }
        guard let issuer = chain.first, X509_check_private_key(issuer, signer) == 1 else {
            ERR_clear_error()
            throw .unusable("the key is not the authority's")
        }
        guard X509_check_ca(issuer) == 1 else { throw .unusable("the certificate is not an authority's") }
        let key = try newKey()
        defer { EVP_PKEY_free(key) }
        let draft = try Draft(subject: host, key: key, life)
        let names = (["DNS:\(host)"] + addresses.map { "IP:\($0)" }).joined(separator: ",")
        try draft.add(NID_subject_alt_name, names, issuer: issuer)
        try draft.add(NID_basic_constraints, "critical,CA:FALSE", issuer: issuer)
        try draft.add(NID_key_usage, "critical,digitalSignature", issuer: issuer)
        try draft.add(NID_ext_key_usage, "serverAuth,clientAuth", issuer: issuer)
        try draft.add(NID_subject_key_identifier, "hash", issuer: issuer)
        try draft.add(NID_authority_key_identifier, "keyid", issuer: issuer)
        return try draft.issued(as: issuer, signedWith: signer, key: key)
    }

    private static func newKey() throws(TLSError) -> OpaquePointer {
        ERR_clear_error()
        guard let key = hawker_new_key() else { throw .taken() }
        return key
    }

    /// A certificate that is being made.
    private final class Draft {
        let pointer: OpaquePointer

        init(subject: String, key: OpaquePointer, _ life: Life) throws(TLSError) {
            guard let made = X509_new() else { throw .taken() }
            pointer = made
            var serial: UInt64 = 0
            guard X509_set_version(made, 2) == 1,
                RAND_bytes(&serial, Int32(MemoryLayout<UInt64>.size)) == 1,
                ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1 | 1) == 1,
                X509_gmtime_adj(X509_getm_notBefore(made), life.start) != nil,
                X509_gmtime_adj(X509_getm_notAfter(made), life.end) != nil,
                X509_NAME_add_entry_by_txt(
                    X509_get_subject_name(made), "CN", MBSTRING_UTF8, subject, Int32(clamping: subject.utf8.count), -1,
                    0) == 1,
                X509_set_pubkey(made, key) == 1
            else { throw .taken() }
        }

        deinit { X509_free(pointer) }

        func add(_ kind: Int32, _ value: String, issuer: OpaquePointer) throws(TLSError) {
            guard hawker_add_extension(pointer, issuer, kind, value) == 1 else { throw .taken() }
        }

        func issued(
            as issuer: OpaquePointer, signedWith signer: OpaquePointer, key: OpaquePointer
        ) throws(TLSError) -> IssuedCertificate {
            guard X509_set_issuer_name(pointer, X509_get_subject_name(issuer)) == 1,
                X509_sign(pointer, signer, EVP_sha256()) > 0
            else { throw .taken() }
            return IssuedCertificate(
                certificate: try text { PEM_write_bio_X509($0, pointer) },
                key: try text { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) },
                content: Certificate(pointer))
        }

        private func text(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> [UInt8] {
            guard let bio = BIO_new(BIO_s_mem()) else { throw .taken() }
            defer { BIO_free(bio) }
            guard write(bio) == 1 else { throw .taken() }
            var start: UnsafeMutablePointer<CChar>?
            let count = hawker_bio_text(bio, &start)
            return [UInt8](UnsafeRawBufferPointer(start: start, count: max(0, count)))
        }
    }
}
