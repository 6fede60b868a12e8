import Testing

@Suite("the scanner tells code from comments and literals")
struct SwiftCodeTests {
    @Test(
        "comments and literals are blanked, code stays",
        arguments: [
            ("let a = 1 // try!", "let a = 1        "),
            ("let a = \"try!\"; b", "let a = \"    \"; b"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("#\"a\"b\"# + c", "#\"   \"# + c"),
            ("\"a\\\"b\" + c", "\"    \" + c"),
            ("#if DEBUG", "#if DEBUG"),
            ("", ""),
        ]
    )
    func blanking(source: String, expected: String) {
        #expect(SwiftCode.blanked(source) == [expected])
    }

    @Test("a multi-line literal is blanked to its end")
    func multilineLiterals() {
        #expect(
            SwiftCode.blanked("x(\"\"\"\n  \"try!\" {\n  \"\"\") {") == [
                "x(\"\"\"", "          ", "  \"\"\") {",
            ]
        )
    }

    @Test("functions are measured from declaration to closing brace, requirements not at all")
    func functionSpans() {
        let code = SwiftCode.blanked(
            """
            protocol P {
                func f()
            }
            struct S {
                init(a: Int) { b() }
                @LoopActor private static func g(
                    h: () -> Void = {}
                ) {
                    if a {
                        self.init()
                    }
                }
            }
            """
        )
        #expect(
            SwiftCode.functions(code) == [
                FunctionSpan(line: 5, lineCount: 1), FunctionSpan(line: 6, lineCount: 7),
            ]
        )
    }
}
