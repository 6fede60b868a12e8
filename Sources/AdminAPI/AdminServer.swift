package import EventLoop
import Glibc
import ProtobufCodec
import Wire

/// Serves admin calls on a Unix socket of mode 0600 inside a folder of mode 0700.
///
/// Each connection serves one call at a time; a caller who is neither root nor the node's own user is told so and
/// disconnected. Loop thread only.
@LoopActor
package final class AdminServer {
    private let listener: Listener
    private let service: any AdminService
    private var connections: [ObjectIdentifier: AdminConnection] = [:]

    /// Makes the socket's folder when it is missing. A socket left behind by a dead daemon is replaced; one that still
    /// answers is not.
    package init(socket path: String, service: any AdminService) throws(LoopError) {
        self.service = service
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        // An existing folder keeps its mode: it may be shared, as /run is; the socket itself is 0600.
        mkdir(folder.isEmpty ? "/" : folder, 0o700)
        listener = try Listener.unix(path: path, mode: 0o600)
        listener.accept { [weak self] stream in self?.accept(stream) }
    }

    /// Closes the listener and every connection.
    package func close() {
        listener.close()
        for connection in connections.values { connection.close() }
        connections = [:]
    }

    private func accept(_ stream: Stream) {
        guard connections.count < AdminLimits.connectionsMax else { return stream.close() }
        let caller = stream.peerCredentials
        let allowed = caller.map { $0.uid == 0 || $0.uid == geteuid() } ?? false
        let connection = AdminConnection(stream, service: service, allowed: allowed)
        let identity = ObjectIdentifier(connection)
        connections[identity] = connection
        connection.start { [weak self] in self?.connections[identity] = nil }
    }
}

/// One client of the admin socket.
@LoopActor
private final class AdminConnection {
    private let stream: Stream
    private let service: any AdminService
    private let allowed: Bool
    private var decoder = FrameDecoder(limits: AdminFrame.limits)
    private var onEnd: (@LoopActor () -> Void)?
    /// Calls that came and were not answered yet, in order.
    private var waiting: [(stream: UInt32, frame: AdminFrame)] = []
    private var answering = false

    private static let waitingMax = 16

    init(_ stream: Stream, service: any AdminService, allowed: Bool) {
        self.stream = stream
        self.service = service
        self.allowed = allowed
    }

    func start(_ onEnd: @escaping @LoopActor () -> Void) {
        self.onEnd = onEnd
        stream.startReading { [weak self] event in
            switch event {
            case .bytes(let bytes): self?.receive(bytes)
            case .end, .failed: self?.close()
            }
        }
    }

    func close() {
        stream.close()
        onEnd?()
        onEnd = nil
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        do throws(WireError) {
            while let frame = try decoder.next(&rest) {
                guard let call = AdminFrame(frame), waiting.count < Self.waitingMax else { return close() }
                waiting.append((frame.stream, call))
            }
        } catch {
            return close()
        }
        answerNext()
    }

    private func answerNext() {
        guard !answering, !waiting.isEmpty else { return }
        answering = true
        let (number, frame) = waiting.removeFirst()
        Loop.task {
            do throws(AdminFailure) {
                for item in try await self.answer(frame) {
                    self.stream.write(AdminFrame.item(item).encoded(stream: number))
                }
                self.stream.write(AdminFrame.end(nil).encoded(stream: number))
            } catch {
                self.stream.write(AdminFrame.end(error).encoded(stream: number))
            }
            self.answering = false
            self.answerNext()
        }
    }

    /// The items of the answer, encoded.
    private func answer(_ frame: AdminFrame) async throws(AdminFailure) -> [[UInt8]] {
        guard allowed else {
            throw AdminFailure(.permissionDenied, "only root and the daemon's own user may use this socket")
        }
        guard case .call(let name, let argument) = frame, let method = AdminMethod(rawValue: name) else {
            throw AdminFailure(.unimplemented, "this daemon does not know the call; is it older than the command?")
        }
        switch method {
        case .status: return [await service.status().encoded]
        case .peers: return await service.peers().map(\.encoded)
        case .cacheList: return try await service.cacheList().map(\.encoded)
        case .reload: return [try await service.reload().encoded]
        case .file:
            let request: FileRequest
            do throws(ProtobufError) {
                request = try FileRequest(encoded: argument)
            } catch {
                throw AdminFailure(.invalidArgument, "the request names no file")
            }
            return [try await service.file(request).encoded]
        case .cacheRemove:
            return try await service.cacheRemove(CacheRemoveRequest.decode(argument)).map(\.encoded)
        }
    }
}
