import TOMLEdit
import Testing

private func edited(_ text: String, _ edit: (inout TOMLEditor) throws -> Void) throws -> String {
    var editor = TOMLEditor(try TOMLDocument(Array(text.utf8)))
    try edit(&editor)
    return String(decoding: editor.document.bytes, as: UTF8.self)
}

@Suite("Editing a document")
struct TOMLEditorTests {
    @Test(
        "a missing value is added where the spelling of its table allows it",
        arguments: [
            ("", "[a.b]\n  k = \"v\"\n"),
            ("# only a comment", "# only a comment\n\n[a.b]\n  k = \"v\"\n"),
            ("[a.b]\n", "[a.b]\n  k = \"v\"\n"),
            ("[a.b]", "[a.b]\n  k = \"v\"\n"),
            ("[a.b]\nx = 1 # one\n\n# c\n[c]\n", "[a.b]\nx = 1 # one\nk = \"v\"\n\n# c\n[c]\n"),
            ("\t[a.b] # h\r\n\t\tx = 'y'\r\n", "\t[a.b] # h\r\n\t\tx = 'y'\r\n\t\tk = 'v'\r\n"),
            ("[a.b.c]\nx = 1\n", "[a.b]\nk = \"v\"\n\n[a.b.c]\nx = 1\n"),
            ("[z]\n\n# about c\n[a.b.c]\n", "[z]\n\n[a.b]\n  k = \"v\"\n\n# about c\n[a.b.c]\n"),
            ("[a]\nx = 1\n[z]\n", "[a]\nx = 1\n\n[a.b]\nk = \"v\"\n\n[z]\n"),
            ("[a]\n  [a.c]\n    x = 1\n[z]\n", "[a]\n  [a.c]\n    x = 1\n\n  [a.b]\n    k = \"v\"\n\n[z]\n"),
            ("a.b.x = 1\n[z]\n", "a.b.x = 1\na.b.k = \"v\"\n[z]\n"),
            ("[a]\nb . x = 1", "[a]\nb . x = 1\nb.k = \"v\"\n"),
            ("a.c = 1", "a.c = 1\na.b.k = \"v\"\n"),
            ("a = { b = { x = 1 } } # c", "a = { b = { x = 1, k = \"v\" } } # c"),
            ("a = { b = {} }", "a = { b = { k = \"v\" } }"),
            ("a = {}\n", "a = { b = { k = \"v\" } }\n"),
            ("a = { b.x = 1 }\n", "a = { b.x = 1, b.k = \"v\" }\n"),
            (
                "[a.b]\nx = \"\"\"\n[a.b]\nk = 1\n\"\"\"\n",
                "[a.b]\nx = \"\"\"\n[a.b]\nk = 1\n\"\"\"\nk = \"v\"\n"
            ),
        ]
    )
    func insert(before: String, after: String) throws {
        #expect(try edited(before) { try $0.set(["a", "b", "k"], to: .string("v")) } == after)
        #expect(try edited(after) { try $0.set(["a", "b", "k"], to: .string("v")) } == after)
    }

    @Test("a root key goes below its like, or above the first table and its comment")
    func rootKeys() throws {
        let set = { (text: String) in try edited(text) { try $0.set(["version"], to: .integer(2)) } }
        #expect(try set("") == "version = 2\n")
        #expect(try set("root = 1\n[a]\n") == "root = 1\nversion = 2\n[a]\n")
        #expect(try set("# head\n\n# about a\n[a]\n") == "# head\n\nversion = 2\n\n# about a\n[a]\n")
        #expect(try set("\u{FEFF}[a]\n") == "\u{FEFF}version = 2\n\n[a]\n")
    }

    @Test(
        "a value is replaced between its own quotes",
        arguments: [
            ("a.b.k='x' # c\r\n", "a.b.k='v' # c\r\n"),
            ("[a.b]\nk = \"x\"", "[a.b]\nk = \"v\""),
            ("[a]\nb = { k = '', z = 1 }\n", "[a]\nb = { k = 'v', z = 1 }\n"),
            ("[a.b]\nk = '''\nx\n'''\n", "[a.b]\nk = 'v'\n"),
            ("[a.b]\nk = true\n", "[a.b]\nk = \"v\"\n"),
        ]
    )
    func replace(before: String, after: String) throws {
        #expect(try edited(before) { try $0.set(["a", "b", "k"], to: .string("v")) } == after)
    }

    @Test(
        "an array of strings is changed in place, with its comments",
        arguments: [
            ("k = []", ["n"], "k = [\"n\"]"),
            ("k = [ # none\n]", ["n"], "k = [\"n\" # none\n]"),
            ("k = ['a']", ["n", "a"], "k = ['n', 'a']"),
            ("k = [\"a\", \"b\"]", ["n", "a", "b", "z"], "k = [\"n\", \"a\", \"b\", \"z\"]"),
            ("k = [\"a\", \"b\", ]", ["n", "b"], "k = [\"n\", \"b\", ]"),
            (
                "k = [\n  # first\n  \"a\", # one\n  'b', # two\n]\n", ["n", "a", "b", "z"],
                "k = [\n  # first\n  \"n\",\n  \"a\", # one\n  'b', # two\n  'z',\n]\n"
            ),
            (
                "k = [\r\n\t\"a\", # one\r\n\t\"b\" # two\r\n]\r\n", ["a", "b", "z"],
                "k = [\r\n\t\"a\", # one\r\n\t\"b\", # two\r\n\t\"z\"\r\n]\r\n"
            ),
            ("k = [\n  \"a\",\n  \"b\"]\n", ["a", "b", "z"], "k = [\n  \"a\",\n  \"b\",\n  \"z\"]\n"),
            ("k = [\"a\", \"b\"]", ["b", "a"], "k = [\"b\", \"a\"]"),
            ("k = [\"a\", \"b\", \"c\"]", ["n", "b"], "k = [\"n\", \"b\"]"),
            ("k = [1]", ["n"], "k = [\"n\"]"),
        ]
    )
    func arrays(before: String, texts: [String], after: String) throws {
        #expect(try edited(before) { try $0.set(["k"], to: .strings(texts)) } == after)
    }

    @Test(
        "a removed table takes its lines and leaves the comments between",
        arguments: [
            ("[a.b]\nk = 1\n", ""),
            ("[a]\nx = 1\n\n[a.b]\nk = 1\n# stays\n[a.b.c]\n\n[z]\n", "[a]\nx = 1\n\n# stays\n\n[z]\n"),
            ("[a]\nx = 1\n\n[a.b]\nk = 1\n\n[z]\n", "[a]\nx = 1\n\n[z]\n"),
            ("[a]\nb.k = 1\nb.l = [\n1,\n]\nx = 1\n", "[a]\nx = 1\n"),
            ("a = { b = { k = 1 }, x = 1 }\n", "a = { x = 1 }\n"),
            ("a = { x = 1, b.k = 1, b.l = 2 }\n", "a = { x = 1 }\n"),
            ("a = { b.k = 1 }\n", "a = {}\n"),
            ("[[a.b]]\nk = 1\n[[a.b]]\n[a.b.c]\n[z]\n", "[z]\n"),
            ("[z]\ny = 1\n\n[a.b]\nk = 1", "[z]\ny = 1\n"),
        ]
    )
    func remove(before: String, after: String) throws {
        #expect(try edited(before) { try $0.remove(["a", "b"]) } == after)
    }

    @Test("sections are added before the first header of their kind")
    func sections() throws {
        let text = "server = \"s\"\n\n# theirs\n[host.\"http://a\"]\n  k = 1\n"
        let ours = TOMLSectionText(path: ["host", "http://b"], entries: [TOMLEntry("k", .integer(2))])
        #expect(
            try edited(text) { try $0.add([ours], before: ["host"]) }
                == "server = \"s\"\n\n[host.\"http://b\"]\n  k = 2\n\n# theirs\n[host.\"http://a\"]\n  k = 1\n"
        )
        #expect(
            try edited(text) { try $0.add([ours], before: nil) } == text + "\n[host.\"http://b\"]\n  k = 2\n"
        )
    }

    @Test("a key below a value is refused")
    func belowValue() throws {
        #expect(throws: TOMLEditError.notATable(path: ["a"], line: 1)) {
            try edited("a = 1") { try $0.set(["a", "b"], to: .string("v")) }
        }
        #expect(throws: TOMLEditError.isATable(path: ["a"], line: 1)) {
            try edited("[a]") { try $0.set(["a"], to: .string("v")) }
        }
    }
}
