/// Waits until `condition` holds, looking every 10 ms; throws with `what` after `seconds`. For the outside
/// world only (a process that starts, a file that appears): the time is a bound for a hang, not an assertion.
package func eventually(
    _ what: String,
    within seconds: Double = 30,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < deadline else { throw TestFailure("gave up waiting: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
