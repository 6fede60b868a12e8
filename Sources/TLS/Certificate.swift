import CLibSSL
import Glibc

/// What a certificate says, as far as anybody here asks. Nothing of it is worth anything before it was verified.
package struct Certificate: Hashable, Sendable {
    /// Of its subject alternative names (RFC 5280 section 4.2.1.6), in its order, at most `namesMax` in all.
    package var hosts: [String] = []
    package var uris: [String] = []
    /// As inet_ntop(3) spells them.
    package var addresses: [String] = []
    /// Seconds since 1970.
    package var notBefore: Int64 = 0
    package var notAfter: Int64 = 0

    package static let namesMax = 64

    package init() {}

    /// The name to show: the first that it has.
    package var name: String { hosts.first ?? uris.first ?? "" }
}

extension Certificate {
    init(_ certificate: OpaquePointer) {
        notBefore = Self.seconds(X509_get0_notBefore(certificate))
        notAfter = Self.seconds(X509_get0_notAfter(certificate))
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return }
        let names = OpaquePointer(raw)
        defer { hawker_names_free(names) }
        for index in 0..<min(hawker_name_count(names), Int32(Self.namesMax)) {
            guard let name = hawker_name_at(names, index) else { continue }
            var bytes: UnsafePointer<UInt8>?
            var count: Int32 = 0
            let type = hawker_name_value(name, &bytes, &count)
            take(type, UnsafeBufferPointer(start: bytes, count: Int(max(count, 0))))
        }
    }

    private mutating func take(_ type: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        switch type {
        case GEN_DNS: if let text = Self.text(bytes) { hosts.append(text) }
        case GEN_URI: if let text = Self.text(bytes) { uris.append(text) }
        case GEN_IPADD: if let text = Self.address(bytes) { addresses.append(text) }
        default: break
        }
    }

    /// A NUL inside would make two readers see two names: such a name counts for nothing.
    private static func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func address(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        let families = [4: AF_INET, 16: AF_INET6]
        guard let family = families[bytes.count] else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            inet_ntop(family, bytes.baseAddress, buffer.baseAddress, socklen_t(buffer.count))
                .map { String(cString: $0) }
        }
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
        return Int64(timegm(&parts))
    }
}

/// Reads and frees OpenSSL's objects.
enum PEM {
    /// Every certificate of the text, in its order; the caller frees them.
    static func certificates(_ text: [UInt8]) throws(TLSError) -> [OpaquePointer] {
        guard let bio = memory(text) else { throw .taken() }
        defer { BIO_free(bio) }
        var found: [OpaquePointer] = []
        while found.count < certificatesMax, let certificate = PEM_read_bio_X509(bio, nil, nil, nil) {
            found.append(certificate)
        }
        // The end of the text is an error like others.
        let isEnd = hawker_err_reason(ERR_peek_last_error()) == PEM_R_NO_START_LINE
        ERR_clear_error()
        guard !found.isEmpty, isEnd else {
            free(found)
            throw .unusable(found.isEmpty ? "holds no certificate in PEM" : "holds a certificate that cannot be read")
        }
        return found
    }

    static func key(_ text: [UInt8]) throws(TLSError) -> OpaquePointer {
        guard let bio = memory(text) else { throw .taken() }
        defer { BIO_free(bio) }
        defer { ERR_clear_error() }
        guard let key = hawker_read_key(bio) else { throw .unusable("holds no private key in PEM without a password") }
        return key
    }

    static func free(_ certificates: [OpaquePointer]) {
        for certificate in certificates { X509_free(certificate) }
    }

    private static func memory(_ text: [UInt8]) -> OpaquePointer? {
        ERR_clear_error()
        guard let bio = BIO_new(BIO_s_mem()) else { return nil }
        let written = text.withUnsafeBytes { BIO_write(bio, $0.baseAddress, Int32(clamping: $0.count)) }
        guard written == text.count || text.isEmpty else {
            BIO_free(bio)
            return nil
        }
        return bio
    }

    /// More authorities than any cluster has.
    private static let certificatesMax = 256
}
