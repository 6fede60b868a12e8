import Foundation

/// The socket that a service manager gives to what it starts, and all that was said on it (`sd_notify`).
package final class NotificationInbox: Sendable {
    package let process: ChildProcess
    private let socketPath: String

    /// Listens in `folder`.
    package init(_ folder: TemporaryFolder) async throws {
        let program = """
            import socket, sys
            inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            inbox.bind(sys.argv[1])
            while True:
                print(inbox.recv(4096).decode().replace("\\n", "|"), flush=True)
            """
        let path = folder.path("notify")
        socketPath = path
        process = try ChildProcess(["python3", "-c", program, path], logPath: folder.path("messages"))
        try await eventually("the socket is there") { [process] in
            try process.requireRunning()
            return FileManager.default.fileExists(atPath: path)
        }
    }

    /// What the service manager sets for the process it starts.
    package func environment(watchdogMicroseconds: Int) -> [String: String] {
        ["NOTIFY_SOCKET": socketPath, "WATCHDOG_USEC": "\(watchdogMicroseconds)"]
    }

    /// A message a line, with `|` between the parts of one.
    package var messages: String { process.log }
}
