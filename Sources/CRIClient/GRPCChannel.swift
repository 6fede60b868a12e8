import EventLoop
import HTTPTransfer

/// Unary gRPC calls on one Unix socket.
@LoopActor
final class GRPCChannel {
    private let engine = TransferEngine(idleConnectionsMax: 1)
    private let socket: String

    init(socket: String) {
        self.socket = socket
    }

    /// Sends one packed message and returns the frame of the answer.
    func call(_ path: String, _ message: [UInt8], deadlineMillis: UInt64) async throws(CRIError) -> [UInt8] {
        guard let url = TransferURL("http://localhost" + path), let body = GRPCFrame.encode(message) else {
            throw .malformed
        }
        var request = TransferRequest(.post, url)
        request.unixSocket = socket
        request.version = .http2PriorKnowledge
        request.body = body
        request.headers = [
            ("Content-Type", "application/grpc"), ("TE", "trailers"), ("User-Agent", "hawker"),
            ("grpc-timeout", Self.timeoutText(deadlineMillis)),
        ]
        request.timeouts = .init(connect: 5_000, head: deadlineMillis, stall: deadlineMillis)
        for number in 1..<Self.attemptsMax {
            let result = await attempt(request)
            guard case .failure(.unreachable(let error)) = result, error.kind == .connectionLost else {
                return try result.get()
            }
            // What made this one too late makes the next too late as well, if it follows at once. A cancelled call
            // ends with its next attempt.
            try? await Task.sleep(for: .milliseconds(number))
        }
        return try await attempt(request).get()
    }

    /// All calls made here may be made twice.
    ///
    /// A gRPC server in Go answers a call to an unknown service on seeing its head, and closes the stream;
    /// libcurl 7.88 then reports the message it could no longer send instead of the answer, in up to a fifth of
    /// such calls; on a busy machine eight in a row were seen. With these the pauses come to 276 ms.
    private static let attemptsMax = 24

    private func attempt(_ request: TransferRequest) async -> Result<[UInt8], CRIError> {
        let exchange = UnaryExchange()
        return await withTaskCancellationHandler {
            await exchange.run(request, on: engine)
        } onCancel: {
            Loop.enqueue { exchange.cancel() }
        }
    }

    /// At most eight digits and a unit ("Timeout" of gRPC over HTTP/2).
    private static func timeoutText(_ milliseconds: UInt64) -> String {
        milliseconds <= 99_999_999 ? "\(milliseconds)m" : "\(min(milliseconds / 1000, 99_999_999))S"
    }
}

/// One call on its way.
///
/// The continuation is resumed once, by the end of the transfer, an oversized answer or a cancellation,
/// whichever comes first.
@LoopActor
private final class UnaryExchange {
    private var waiter: CheckedContinuation<Result<[UInt8], CRIError>, Never>?
    private var transfer: Transfer?
    private var head: ResponseHead?
    private var body: [UInt8] = []
    private var isCancelled = false

    func run(_ request: TransferRequest, on engine: TransferEngine) async -> Result<[UInt8], CRIError> {
        guard !isCancelled else { return Self.cancelled }
        return await withCheckedContinuation { waiter in
            self.waiter = waiter
            transfer = engine.start(
                request,
                onHead: { self.head = $0 },
                onBody: { self.take($0) },
                onEnd: { self.end($0) }
            )
        }
    }

    func cancel() {
        isCancelled = true
        finish(Self.cancelled)
    }

    private static var cancelled: Result<[UInt8], CRIError> { .failure(.unreachable(TransferError(.closed))) }

    private func take(_ bytes: UnsafeRawBufferPointer) -> BodyFlow {
        if body.count + bytes.count <= CRIClient.answerBytesMax {
            body.append(contentsOf: bytes)
        } else {
            finish(.failure(.malformed))
        }
        return .more
    }

    private func end(_ result: Result<TransferSummary, TransferError>) {
        switch result {
        case .failure(let error): finish(.failure(.unreachable(error)))
        case .success(let summary): finish(judge(summary))
        }
    }

    private func judge(_ summary: TransferSummary) -> Result<[UInt8], CRIError> {
        guard let head, head.status == 200 else { return .failure(.malformed) }
        // Without a body the trailers are the head ("Trailers-Only").
        func field(_ name: String) -> String? { summary.trailers.single(name) ?? head.headers.single(name) }
        guard let code = field("grpc-status").flatMap({ Int($0) }) else { return .failure(.malformed) }
        guard code != 0 else { return .success(body) }
        let message = GRPCMessage.decode(field("grpc-message") ?? "")
        return .failure(.status(CRIError.Code(rawValue: code), message: message))
    }

    private func finish(_ result: Result<[UInt8], CRIError>) {
        transfer?.cancel()
        transfer = nil
        waiter?.resume(returning: result)
        waiter = nil
    }
}
