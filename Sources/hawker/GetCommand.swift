import AdminAPI
import ArgumentParser
import EventLoop
import Fetching
import Glibc
import OCIModel

/// `hawker get`: a file or an image, through the running daemon.
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Fetch a file by its URL and digest, or an image or artifact, to the disk.",
        discussion: """
            hawker get https://HOST/PATH --sha256 DIGEST --output FILE
            hawker get IMAGE --output FOLDER

            What other nodes have comes from them, the rest from the host or registry, which a [[registry]] of the \
            daemon's settings has to name. Nothing is in its place before it is whole and has its digest; the same \
            command goes on with what an earlier attempt left. A file needs the admin socket, so root or the daemon's \
            own user; an image needs only the mirror, and ends up in an OCI layout, indexes with all that they name.

            Credentials come from --auth-file, else $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or \
            ~/.docker/config.json; credential helpers are not run.
            """)

    @OptionGroup var admin: AdminOptions

    @Argument(help: "http(s):// URL of a file, or an image such as docker.io/library/busybox:latest.")
    var source: String

    @Option(help: "SHA-256 of the file: 64 hexadecimal digits, with or without sha256: in front.")
    var sha256: String?

    @Option(name: .shortAndLong, help: "File, or for an image the folder, to write.")
    var output: String

    @Flag(help: "Replace what is there already.")
    var overwrite = false

    @Option(help: "config.json of docker login, or auth.json of podman login.")
    var authFile: String?

    @Option(help: "File whose first line is a Bearer token for the URL's host.")
    var tokenFile: String?

    @Option(help: "Address of the mirror (mirror.listen of the daemon's settings), for images.")
    var mirror = "127.0.0.1:4001"

    @Flag(help: "Show no progress on a terminal.")
    var noProgress = false

    func run() async throws {
        let started = Loop.nowNanoseconds
        let meter = FetchMeter()
        let bar = await ProgressLine(meter, isShown: !admin.json && !noProgress)
        await bar.start()
        do {
            let isFile = ["http://", "https://"].contains { source.hasPrefix($0) }
            var report = isFile ? try await file(meter) : try await image(meter)
            await bar.stop()
            report.bytes = await meter.bytesDone
            report.bytesResumed = await meter.bytesResumed
            report.millis = (Loop.nowNanoseconds - started) / 1_000_000
            if admin.json { return try Console.printJSON(report) }
            let (bytes, left) = (UInt64(clamping: report.bytes), UInt64(clamping: report.bytesResumed))
            let resumed = left > 0 ? ", of which \(Console.bytes(left)) were there" : ""
            print("\(output): \(report.digest), \(Console.bytes(bytes))\(resumed)")
        } catch let error as FetchError {
            await bar.stop()
            Console.complain(error.sentence)
            throw Self.status(of: error.kind)
        } catch {
            await bar.stop()
            throw error
        }
    }

    private static func status(of kind: FetchError.Kind) -> ExitCode {
        switch kind {
        case .unavailable: Exit.unavailable
        case .data: Exit.data
        case .denied: Exit.noPermission
        case .output: Exit.cannotCreate
        case .usage: Exit.usage
        }
    }

    // MARK: A file

    private func file(_ meter: FetchMeter) async throws -> GetReport {
        guard let text = sha256, let digest = Digest(text.hasPrefix("sha256:") ? text : "sha256:" + text) else {
            throw FetchError(.usage, "a file needs --sha256 with 64 lower-case hexadecimal digits")
        }
        let path = output
        if let there = await Loop.offload({ PartialFile.digest(ofFile: path) }) {
            if there == digest { return GetReport(source: source, output: output, digest: digest) }
            guard overwrite else {
                throw FetchError(.output, "\(output) is there with other content: --overwrite replaces it")
            }
        }
        var request = FileRequest()
        request.url = source
        request.sha256 = digest.hex
        request.authorization = try authorization() ?? ""
        let offered = try await offer(request)
        let bytes = Int64(clamping: offered.bytes)
        await meter.expect(bytes)
        let partial = try await Loop.offload { () throws(FetchError) in
            try PartialFile(path: path, digest: digest, bytesMax: bytes)
        }
        var first: FileOffer? = offered
        let client = await MirrorClient(address: offered.mirrorAddress)
        let asked = request
        try await client.fetch(into: partial, meter) { () throws(FetchError) in
            if let offer = first {
                first = nil
                return offer.path
            }
            return try await offer(asked).path
        }
        return GetReport(source: source, output: output, digest: digest)
    }

    private func offer(_ request: FileRequest) async throws(FetchError) -> FileOffer {
        do throws(AdminFailure) {
            return try await AdminClient(socket: admin.socket).file(request)
        } catch {
            let kind: FetchError.Kind =
                switch error.code {
                case .invalidArgument: .usage
                case .notFound, .failedPrecondition: .data
                case .permissionDenied: .denied
                case .deadlineExceeded, .unavailable, .unimplemented, .internal: .unavailable
                }
            throw FetchError(kind, error.message)
        }
    }

    /// For the URL's host only.
    private func authorization() throws -> String? {
        if let tokenFile {
            guard let line = Self.firstLine(of: tokenFile), !line.isEmpty else {
                throw FetchError(.usage, "\(tokenFile) cannot be read, or its first line is empty")
            }
            return "Bearer " + line
        }
        // Up to the path: what has a user name in it, too, is nobody's here.
        let scheme = source.hasPrefix("https") ? "https://" : "http://"
        guard let host = RegistryHost(source.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }) else { return nil }
        return try DockerCredentials.load(authFile).basic(for: host)
    }

    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 16 << 10)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let bytes = line.prefix { $0 != 0 && $0 != 10 && $0 != 13 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: An image

    private func image(_ meter: FetchMeter) async throws -> GetReport {
        guard let reference = ImageReference(source) else {
            throw FetchError(.usage, "\(source) is neither an http(s):// URL nor an image's name")
        }
        guard sha256 == nil else { throw FetchError(.usage, "an image has its digest in its name: NAME@sha256:…") }
        let (path, overwrites) = (output, overwrite)
        let layout = try await Loop.offload { () throws(FetchError) in
            try OCILayout(path: path, overwrites: overwrites)
        }
        let credentials = try DockerCredentials.load(authFile)
        let client = await MirrorClient(address: mirror)
        let pull = await ImagePull(reference, from: client, into: layout, credentials: credentials, meter: meter)
        let summary = try await pull.run()
        var report = GetReport(source: reference.description, output: output, digest: summary.digest)
        report.mediaType = summary.mediaType
        return report
    }
}

/// What `hawker get --json` prints.
private struct GetReport: Encodable {
    let source: String
    let output: String
    let digest: String
    /// Of an image.
    var mediaType: String?
    /// Of all that was asked for; 0 for a file that was there already.
    var bytes: Int64 = 0
    /// Of these, what an earlier attempt had left.
    var bytesResumed: Int64 = 0
    var millis: UInt64 = 0

    init(source: String, output: String, digest: Digest) {
        self.source = source
        self.output = output
        self.digest = digest.description
    }
}
