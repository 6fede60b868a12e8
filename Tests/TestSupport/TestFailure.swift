/// What a test helper reports when the world is not as the test needs it. The text is for the person reading
/// the test run.
package struct TestFailure: Error, CustomStringConvertible, Sendable {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
