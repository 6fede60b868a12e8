/// Spellings of hosts that no registry may send a node to: this machine, its cloud, private networks, and addresses
/// that are nobody's.
package enum ForbiddenHosts {
    /// About 600, each as the host of a URL, IPv6 addresses in brackets.
    package static let spellings: [String] = addresses.flatMap(spellings) + addresses6.flatMap(spellings6) + names

    package static let addresses: [[UInt32]] = [
        [127, 0, 0, 1], [127, 1, 2, 3], [127, 255, 255, 254], [169, 254, 169, 254], [169, 254, 170, 2],
        [168, 63, 129, 16], [100, 100, 100, 200], [192, 0, 0, 192], [0, 0, 0, 0], [224, 0, 0, 1],
        [255, 255, 255, 255], [10, 0, 0, 1], [172, 16, 0, 1], [172, 31, 255, 254], [192, 168, 1, 1], [100, 64, 0, 1],
    ]

    package static let addresses6: [String] = [
        "::1", "::", "fe80::1", "febf::1", "fc00::1", "fd12:3456::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1",
        "fec0::1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::",
    ]

    private static let names = [
        "localhost", "LOCALHOST", "localhost.", "LocalHost", "registry.localhost", "%6cocalhost", "loc%61lhost",
    ]

    /// What `inet_aton(3)`, resolvers, URL parsers and IPv6 make of one IPv4 address.
    private static func spellings(_ part: [UInt32]) -> [String] {
        let whole = part.reduce(0) { $0 << 8 | $1 }
        let dotted = text(part, 10)
        let low16 = part[2] << 8 | part[3]
        let low24 = part[1] << 16 | low16
        let (high, low) = (hex(whole >> 16), hex(whole & 0xffff))
        let short = [
            dotted, "\(dotted).", "\(whole)", "\(whole).", "0\(octal(whole))", "00\(octal(whole))",
            "0x\(hex(whole))", "0X\(hex(whole).uppercased())", "0x00000\(hex(whole))",
            "\(UInt64(whole) + 1 << 32)", part.map { "0x\(hex($0))" }.joined(separator: "."),
            part.map { "0X\(hex($0).uppercased())" }.joined(separator: "."),
            part.map { "0\(octal($0))" }.joined(separator: "."), part.map { "000\(octal($0))" }.joined(separator: "."),
            "0x\(hex(part[0])).\(part[1]).0\(octal(part[2])).\(part[3])",
            "\(part[0]).\(part[1]).\(low16)", "\(part[0]).\(low24)", "0x\(hex(part[0])).0\(octal(low24))",
            "\(part[0]).0x\(hex(low24))", "%3\(dotted.first ?? "0")\(dotted.dropFirst())",
            dotted.replacing(".", with: "%2e"), dotted.replacing(".", with: "\u{3002}"), "registry.example@\(dotted)",
        ]
        let long = [
            "::ffff:\(dotted)", "::FFFF:\(dotted)", "::ffff:\(high):\(low)", "0:0:0:0:0:ffff:\(high):\(low)",
            "0000:0000:0000:0000:0000:ffff:\(dotted)", "::\(dotted)", "::\(high):\(low)", "64:ff9b::\(dotted)",
            "64:ff9b::\(high):\(low)", "0064:ff9b:0:0:0:0:\(high):\(low)", "2002:\(high):\(low)::",
            "2002:\(high):\(low)::1",
        ]
        return short + long.map { "[\($0)]" }
    }

    private static func spellings6(_ address: String) -> [String] {
        ["[\(address)]", "[\(address.uppercased())]", "[\(address)%25lo]", "[\(address)%lo]"]
    }

    private static func text(_ part: [UInt32], _ radix: Int) -> String {
        part.map { String($0, radix: radix) }.joined(separator: ".")
    }

    private static func hex(_ value: UInt32) -> String { String(value, radix: 16) }
    private static func octal(_ value: UInt32) -> String { String(value, radix: 8) }
}
