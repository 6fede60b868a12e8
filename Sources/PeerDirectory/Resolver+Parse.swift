import CAres
import Glibc

/// Reads answers; `nil` for one that cannot be read, and for one without a record of the kind an empty list.
extension Resolver {
    nonisolated static func parseA(_ bytes: UnsafeBufferPointer<UInt8>) -> [String]? {
        withUnsafeTemporaryAllocation(of: ares_addrttl.self, capacity: recordsMax) { records in
            var count = Int32(records.count)
            let status = ares_parse_a_reply(bytes.baseAddress, Int32(bytes.count), nil, records.baseAddress, &count)
            guard isRead(status) else { return nil }
            return records.prefix(Int(count)).compactMap { address(UInt32(bigEndian: $0.ipaddr.s_addr)) }
        }
    }

    nonisolated static func parseAAAA(_ bytes: UnsafeBufferPointer<UInt8>) -> [String]? {
        withUnsafeTemporaryAllocation(of: ares_addr6ttl.self, capacity: recordsMax) { records in
            var count = Int32(records.count)
            let status = ares_parse_aaaa_reply(
                bytes.baseAddress, Int32(bytes.count), nil, records.baseAddress, &count)
            guard isRead(status) else { return nil }
            return records.prefix(Int(count)).compactMap { record in
                withUnsafeBytes(of: record.ip6addr) { address(Array($0)) }
            }
        }
    }

    nonisolated static func parseSRV(_ bytes: UnsafeBufferPointer<UInt8>) -> [ServiceRecord]? {
        var first: UnsafeMutablePointer<ares_srv_reply>?
        let status = ares_parse_srv_reply(bytes.baseAddress, Int32(bytes.count), &first)
        defer { ares_free_data(first) }
        guard isRead(status) else { return nil }
        var records: [ServiceRecord] = []
        var next = first
        while let record = next?.pointee, records.count < recordsMax {
            next = record.next
            // A target of `.` means that the service is not offered (RFC 2782).
            guard let host = record.host.map({ String(cString: $0) }), !host.isEmpty, host != "." else { continue }
            records.append(ServiceRecord(host: host, port: record.port))
        }
        return records
    }

    nonisolated private static func isRead(_ status: Int32) -> Bool {
        status == ARES_SUCCESS || status == ARES_ENODATA
    }

    /// `nil` for what nobody can be dialled at: 0.0.0.0/8 and everything from multicast up.
    nonisolated private static func address(_ host: UInt32) -> String? {
        guard host >> 24 != 0, host >> 28 < 0xE else { return nil }
        return AddressText.of(in_addr(s_addr: host.bigEndian))
    }

    /// `nil` for the unspecified address, multicast, and link-local ones, which mean nothing without an interface.
    nonisolated private static func address(_ bytes: [UInt8]) -> String? {
        guard bytes.count == 16, bytes[0] != 0xFF, !(bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80),
            bytes.contains(where: { $0 != 0 })
        else { return nil }
        // ::ffff:a.b.c.d is the IPv4 address, which may be in the list as itself.
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return address(bytes[12...].reduce(0) { $0 << 8 | UInt32($1) })
        }
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: bytes) }
        return AddressText.of(address)
    }
}
