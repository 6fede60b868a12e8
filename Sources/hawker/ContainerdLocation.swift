import ArgumentParser
import CRIClient
import EventLoop
import RuntimeConfig

extension ContainerdFileOptions {
    /// Finds the containerd that is meant, and takes its file and release where the command line names none.
    ///
    /// Returns its socket.
    @discardableResult
    func locate(_ options: inout ContainerdOptions) throws -> String {
        var socket = self.socket ?? RunningContainerd.defaultSocket
        var owner = RunningContainerd.owner(of: socket)
        if owner == .nobody, self.socket == nil, config == nil {
            let others = RunningContainerd.all()
            guard others.count < 2 else {
                let names = others.map { "pid \($0.pid), --socket \($0.socket)" }.joined(separator: "; ")
                Console.complain("several containerds run; say which one you mean: \(names)")
                throw Exit.unavailable
            }
            if let other = others.first {
                socket = other.socket
                owner = .process(other)
            }
        }
        guard case .process(let process) = owner else { return socket }
        if config == nil {
            guard process.sharesFiles else {
                Console.complain(
                    "containerd (pid \(process.pid)) sees other files than this command;"
                        + " name its \(process.config) as seen from here with --config")
                throw Exit.unavailable
            }
            options.config = process.config
        }
        // What starts next is what counts, and that may be another release.
        if options.version == nil, options.config == process.config, !process.isBinaryReplaced {
            options.version = process.version
        }
        // Another of the same name may come first in PATH.
        if options.binary == ContainerdPlanOptions.binaryDefault, process.sharesFiles, let binary = process.binary {
            options.binary = binary
        }
        return socket
    }
}

extension ContainerdHealth {
    /// Asks containerd's introspection service.
    @LoopActor
    static func ask(_ socket: String) async -> ContainerdHealth {
        do throws(CRIError) {
            switch try await CRIClient(socket: socket).criState() {
            case .ready(let version): return .ready(version: "\(version.runtimeName) \(version.runtimeVersion)")
            case .failed(let plugins): return .withoutCRI(plugins.map(\.sentence).joined(separator: "\n"))
            case .absent: return .withoutCRI("there is no CRI plugin: it is disabled, or not built in")
            }
        } catch {
            return .unreachable(error.sentence)
        }
    }
}

extension ContainerdPlugin {
    /// Its name and containerd's own words.
    var sentence: String { "\(type).\(id): \(failure?.message ?? "did not load")" }
}

extension CRIError {
    var sentence: String {
        switch self {
        case .unreachable(let cause): "no answer (\(cause))"
        case .status(_, let message): message
        case .malformed: "what answers there is not containerd"
        }
    }
}
