import CLinux
import Glibc

/// The service manager that started this process, if it speaks systemd's protocol: it is told how the process does
/// (sd_notify(3)), and may have handed over sockets that it listens on (sd_listen_fds(3)).
///
/// Its interface is environment variables, descriptors from 3 on and datagrams, documented as stable and meant to be
/// spoken without libsystemd, which would bring five other libraries into the process.
///
/// States: starting --ready()--> running <--> reloading; stopping() ends each. While running or reloading, the watchdog
/// is answered from the loop: when the loop hangs the answers stop, and the manager starts the process anew.
@LoopActor
package final class ServiceManager {
    /// systemd's own bound is far higher; more sockets than these are nothing that Hawker could serve.
    private static let socketsMax: Int32 = 16
    /// Answers within one watchdog interval: one may come late.
    private static let watchdogAnswers: UInt64 = 3

    /// Sockets it handed over, in its order.
    package let sockets: [HandedSocket]
    private let path: String?
    private let watchdogMillis: UInt64?
    private let timer = LoopTimer()

    /// Reads the environment, as `variable` gives it; sockets and watchdog are for the process `pid` only.
    package init(
        pid: Int32 = getpid(), firstDescriptor: Int32 = 3,
        variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) {
        func isOurs(_ name: String) -> Bool? { variable(name).map { $0 == String(pid) } }
        path = variable("NOTIFY_SOCKET")
        let micros = variable("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        watchdogMillis = micros > 0 && isOurs("WATCHDOG_PID") ?? true ? max(1, micros / 1000 / Self.watchdogAnswers) : nil
        let count = isOurs("LISTEN_PID") == true ? variable("LISTEN_FDS").flatMap { Int32($0) } ?? 0 : 0
        sockets = (0..<min(max(0, count), Self.socketsMax)).compactMap { HandedSocket(firstDescriptor + $0) }
    }

    /// Started, or done with reloading; `status` is one line for people.
    package func ready(_ status: String) async {
        await tell("READY=1\nSTATUS=\(status)")
        guard let watchdogMillis, let path else { return }
        // A lost answer is made up for by the next one.
        timer.start(after: 0, every: watchdogMillis) { _ = clinux_notify(path, "WATCHDOG=1", false) }
    }

    /// Always followed by `ready`.
    package func reloading() async {
        // libuv's clock is CLOCK_MONOTONIC, as systemd wants it.
        await tell("RELOADING=1\nMONOTONIC_USEC=\(Loop.nowNanoseconds / 1000)")
    }

    /// The watchdog is answered on: draining takes time, and may hang.
    package func stopping(_ status: String) async {
        await tell("STOPPING=1\nSTATUS=\(status)")
    }

    /// Waits off the loop while the manager's queue is full, because these words are said once only.
    private func tell(_ text: String) async {
        guard let path else { return }
        // Without a manager that listens nobody misses it.
        _ = await Loop.offload { clinux_notify(path, text, true) }
    }
}

/// A listening TCP socket that the service manager handed over.
package struct HandedSocket: Sendable, Equatable {
    let descriptor: Int32
    /// A literal address, without brackets.
    package let host: String
    package let port: UInt16

    /// `nil` for a descriptor that is something else; it stays as it is.
    package init?(_ descriptor: Int32) {
        guard clinux_adopt_listener(descriptor) == 0,
            let address = SocketAddress({ name, length in
                var bytes = socklen_t(length.pointee)
                return getsockname(descriptor, name, &bytes)
            })
        else { return nil }
        self.descriptor = descriptor
        host = address.host
        port = address.port
    }
}
