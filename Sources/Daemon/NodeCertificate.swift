import AdminAPI
import EventLoop
import Glibc
import Logging
import PeerTransport
import PieceModel
import TLS
import Telemetry

/// This node's certificate and the authorities it trusts: read from files, and read again when these change.
///
///     in use --a file changed, or `reload`--> reading --good--> in use
///                                                |
///                                                +--not good--> in use, as before, with `problem` set
///
/// Files that are replaced one after the other do not fit for a moment: what is not good is looked at again later.
@LoopActor
final class NodeCertificate {
    private(set) var context: TLSContext
    /// Why the files as they are now are not in use.
    private(set) var problem: String?
    private var files: Files
    private var marks: [FileMark?]
    private let logger: Logger
    private let timer = LoopTimer()
    private var isLooking = false
    private var told: CertificateAge?
    private var onChange: (@LoopActor (TLSContext) -> Void)?

    /// Far below a minute, and next to nothing.
    private static let lookMillis: UInt64 = 5_000

    /// What is read, and what has to stand in it.
    struct Files: Equatable, Sendable {
        var certificate: String
        var key: String
        var authorities: [String]
        var node: PeerName
        var cluster: String

        /// `nil` for settings without TLS.
        init?(_ settings: Settings) {
            guard let certificate = settings.trust.certificate, let key = settings.trust.key else { return nil }
            self.certificate = certificate
            self.key = key
            authorities = settings.trust.authorities
            node = settings.nodeName
            cluster = settings.cluster
        }

        var all: [String] { [certificate, key] + authorities }
    }

    /// `nil` for settings without TLS; throws when they name files that are no good.
    static func load(_ settings: Settings, logger: Logger) async throws(NodeError) -> NodeCertificate? {
        guard let files = Files(settings) else { return nil }
        let (marks, loaded) = await Loop.offload { (files.all.map(FileMark.init(of:)), files.load()) }
        switch loaded {
        case .success(let context): return NodeCertificate(context, files, marks, logger)
        case .failure(let problem): throw .configuration(problem.sentence)
        }
    }

    private init(_ context: TLSContext, _ files: Files, _ marks: [FileMark?], _ logger: Logger) {
        self.context = context
        self.files = files
        self.marks = marks
        self.logger = logger
        tellAge()
    }

    /// `onChange` hears of every new context.
    func start(_ onChange: @escaping @LoopActor (TLSContext) -> Void) {
        self.onChange = onChange
        timer.start(after: Self.lookMillis, every: Self.lookMillis) { [weak self] in self?.look() }
    }

    func stop() {
        timer.stop()
        onChange = nil
    }

    /// Reads the files now, those of new settings if these name some. Returns whether any had changed, and why they are
    /// not in use, if they are not.
    func reload(_ settings: Settings) async -> (isNew: Bool, problem: String?) {
        files = Files(settings) ?? files
        let (files, before) = (files, marks)
        let (marks, loaded) = await Loop.offload { (files.all.map(FileMark.init(of:)), files.load()) }
        take(loaded, marks)
        return (marks != before, problem)
    }

    private func look() {
        tellAge()
        guard !isLooking else { return }
        isLooking = true
        let (files, before, isBad) = (files, marks, problem != nil)
        Loop.offload { () -> ([FileMark?], Result<TLSContext, CertificateProblem>)? in
            let marks = files.all.map(FileMark.init(of:))
            return marks == before && !isBad ? nil : (marks, files.load())
        } then: { [weak self] found in
            guard let self else { return }
            isLooking = false
            // Files of other settings are no news of these.
            if let (marks, loaded) = found, files == self.files { take(loaded, marks) }
        }
    }

    private func take(_ loaded: Result<TLSContext, CertificateProblem>, _ marks: [FileMark?]) {
        self.marks = marks
        switch loaded {
        case .failure(let new):
            if new.sentence != problem {
                logger.error("the certificate in use stays", metadata: ["reason": "\(new.sentence)"])
            }
            problem = new.sentence
        case .success(let new):
            problem = nil
            context = new
            logger.info(
                "certificate read",
                metadata: ["name": "\(new.certificate.name)", "expires": "\(Timestamp.of(new.certificate.notAfter))"])
            told = nil
            tellAge()
            onChange?(new)
        }
    }

    /// One line of the log for each change of how old it is.
    private func tellAge() {
        let age = CertificateAge(context.certificate, now: Int64(time(nil)))
        guard age != told else { return }
        told = age
        let metadata: Logger.Metadata = [
            "file": "\(files.certificate)", "expires": "\(Timestamp.of(context.certificate.notAfter))",
        ]
        switch age {
        case .good: break
        case .early: logger.error("the certificate is not valid yet: is the clock right?", metadata: metadata)
        case .late: logger.warning("the certificate expires soon: renew it", metadata: metadata)
        case .expired: logger.error("the certificate has expired: no node takes it; renew it", metadata: metadata)
        }
    }
}

extension Node {
    /// How this node and its peers know each other; `nil` without peers.
    var peerSecurity: PeerSecurity? {
        guard settings.peersListen != nil else { return nil }
        var security = PeerSecurity()
        security.mode = certificate == nil ? "plaintext" : "tls"
        if let certificate {
            let shown = certificate.context.certificate
            security.certificateName = shown.name
            security.certificateExpires = UInt64(clamping: shown.notAfter)
            security.certificateState = CertificateAge(shown, now: Int64(time(nil))).rawValue
            security.problem = certificate.problem ?? ""
        }
        return security
    }
}

/// Why files are not used, in one sentence that says what to do.
struct CertificateProblem: Error {
    let sentence: String
}

extension NodeCertificate.Files {
    /// Blocks on the disk.
    func load() -> Result<TLSContext, CertificateProblem> {
        Result { () throws(CertificateProblem) in
            let context: TLSContext
            var texts: [[UInt8]] = []
            for path in all { texts.append(try SmallFile.read(path)) }
            do throws(TLSContextError) {
                context = try TLSContext(
                    certificate: texts[0], key: texts[1], authorities: Array(texts.dropFirst(2)))
            } catch {
                throw CertificateProblem(sentence: "\(path(of: error.text)) \(error.reason)")
            }
            guard context.certificate.names(node, cluster: cluster) else {
                let names = (context.certificate.hosts + context.certificate.uris).joined(separator: ", ")
                throw CertificateProblem(
                    sentence: "\(certificate) does not name this node, \(node), but \(names.isEmpty ? "nobody" : names): "
                        + "`hawker cert node \(node)` makes one that does")
            }
            return context
        }
    }

    private func path(of text: TLSContextError.Text) -> String {
        switch text {
        case .certificate: certificate
        case .key: key
        case .authorities(let number): authorities.indices.contains(number) ? authorities[number] : "peers.tls.authorities"
        case .other: "TLS"
        }
    }
}

/// Reads files that are small if they are right.
private enum SmallFile {
    static let bytesMax = 1 << 20

    static func read(_ path: String) throws(CertificateProblem) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var content = [UInt8](repeating: 0, count: bytesMax)
        var count = 0
        while count < content.count {
            let got = content.withUnsafeMutableBytes { buffer in
                Glibc.read(file, buffer.baseAddress?.advanced(by: count), buffer.count - count)
            }
            guard got >= 0 else { throw failure(path) }
            if got == 0 { return Array(content[..<count]) }
            count += got
        }
        throw CertificateProblem(sentence: "\(path) is too large for what it should be")
    }

    private static func failure(_ path: String) -> CertificateProblem {
        CertificateProblem(sentence: "\(path) cannot be read: \(String(cString: strerror(errno)))")
    }
}

/// What changes whenever a file, or the link to it, is written or replaced.
struct FileMark: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt
    private let bytes: Int
    private let seconds: Int
    private let nanoseconds: Int

    /// `nil` when there is no such file.
    init?(of path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        device = UInt(info.st_dev)
        inode = UInt(info.st_ino)
        bytes = Int(info.st_size)
        seconds = info.st_mtim.tv_sec
        nanoseconds = info.st_mtim.tv_nsec
    }
}
