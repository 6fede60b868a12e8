import TOMLEdit
import TestSupport
import Testing

@Suite("Reading a document")
struct TOMLDocumentTests {
    @Test(
        "a key is found in any legal spelling, with its line",
        arguments: [
            ("[a.\"b.c\".d]\nkey = 'v'\n", 2),
            ("[ a . 'b.c' . d ]\r\n\tkey = \"v\"\r\n", 2),
            ("# first\n\na.\"b.c\".d.key = '''v'''", 3),
            ("a = { \"b.c\" = { d = { key = \"v\" } } }", 1),
            ("[a]\n\"b.c\".d = { key = \"\"\"\nv\"\"\" } # why\n", 2),
            (
                "[a.\"b.c\"]\nx = [ # [a.\"b.c\".d]\n  \"k\", # key = 'w'\n]\n[a.\"b.c\".d]\n\"\\u006bey\" = \"v\"\n",
                6
            ),
        ]
    )
    func spellings(text: String, line: Int) throws {
        let document = try TOMLDocument(Array(text.utf8))
        let path = ["a", "b.c", "d", "key"]
        #expect(document.root[path] == .string("v"))
        #expect(document.line(of: path) == line)
    }

    @Test(
        "what is not TOML is an error with its line, not a trap",
        arguments: [
            ("a = ", 1), ("a = \"x\n\"", 1), ("[a\n", 1), ("\n[a]\n[a]\n", 3), ("a = 1\na = 2\n", 2),
            ("= 1", 1),
            ("a = [1, 2\n", 2), ("a = { b = 1\n}", 1), ("a = \"\\q\"", 1), ("a = \"\\u0000\"", 1),
            ("a = 1 b = 2", 1),
            ("a = '''x", 1), ("\u{0} = 1", 1), ("a.b = 1\n[a.b]\n", 2), ("# x\ra = 1", 1), ("a = 0x", 1),
        ]
    )
    func broken(text: String, line: Int) {
        #expect { try TOMLDocument(Array(text.utf8)) } throws: { ($0 as? TOMLError)?.line == line }
    }

    @Test("invalid UTF-8 names its line")
    func notUTF8() {
        #expect(throws: TOMLError(reason: .notUTF8, line: 2, column: 1)) {
            try TOMLDocument(Array("a = 1\nb = \"".utf8) + [0xFF, 0x22])
        }
    }

    @Test("nesting beyond any configuration is refused before it can exhaust the stack")
    func depth() {
        for text in [
            "a = " + String(repeating: "[", count: 100_000),
            String(repeating: "a.", count: 100_000) + "a = 1",
            "[" + String(repeating: "a.", count: 1000) + "a]",
        ] {
            #expect { try TOMLDocument(Array(text.utf8)) } throws: { ($0 as? TOMLError)?.reason == .tooDeep }
        }
    }

    @Test("a file larger than the bound is refused by its size")
    func size() {
        #expect(throws: TOMLError.self) {
            try TOMLDocument([UInt8](repeating: 0x0A, count: TOMLDocument.bytesMax + 1))
        }
    }

    @Test("keys keep the order of the document")
    func order() throws {
        let text =
            "[host.\"http://b\"]\n[host.\"http://a\"]\n[host.\"http://b\".header]\n[host.\"http://0\"]\n"
        let document = try TOMLDocument(Array(text.utf8))
        #expect(document.keys(at: ["host"]) == ["http://b", "http://a", "http://0"])
    }

    @Test("random bytes never trap, and what is accepted reads the same twice")
    func randomBytes() throws {
        let alphabet = Array("[]{}=.,\"'#\\\n\r \tab1-:u".utf8)
        for seed in UInt64(1)...3000 {
            var random = SeededGenerator(seed: seed)
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Int.random(in: 0..<20, using: &random) == 0
                    ? UInt8.random(in: 0...255, using: &random) : alphabet.randomElement(using: &random) ?? 0
            }
            let first = try? TOMLDocument(bytes)
            #expect(first?.root == (try? TOMLDocument(bytes))?.root, "seed \(seed)")
        }
    }
}
