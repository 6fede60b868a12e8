import EventLoop
import Testing

@Suite("ranges of addresses")
struct AddressRangeTests {
    @Test(
        "hold what their prefix says, in whichever family",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("192.168.4.128/25", "192.168.4.128", true), ("192.168.4.128/25", "192.168.4.127", false),
            ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false), ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false), ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe80::1", false),
            ("::/0", "2001:db8::1", true), ("10.0.0.0/8", "node-a", false), ("10.0.0.0/8", "", false),
            ("fe80::/10", "fe80::1%eth0", false),
        ])
    func contains(range: String, host: String, isIn: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(host) == isIn)
    }

    @Test(
        "are refused when they are spelled wrong",
        arguments: ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0/8", "::/129", "a/8", "10.0.0.0/8/8"])
    func refused(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
