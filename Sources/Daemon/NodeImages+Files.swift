import AdminAPI
import ContentStore
import EventLoop
import Logging
import MirrorServer
import OCIModel
import OriginClient
import PeerTransport

/// Files that are no images: named by the URL they come from and the digest they must have, and shared among the nodes
/// like blobs.
///
/// Only who may use the admin socket can ask for one. Such a caller may read all that this node has, so a file that the
/// cache or a peer has is not asked for at its host.
extension NodeImages {
    /// Gives a ticket for the file; what is not cached is fetched when the ticket is used.
    func offer(_ request: FileRequest) async throws(AdminFailure) -> FileOffer {
        guard let digest = Digest("sha256:" + request.sha256) else {
            throw AdminFailure(.invalidArgument, "the digest is not 64 lower-case hexadecimal digits of SHA-256")
        }
        guard let file = OriginFile(url: request.url) else {
            throw AdminFailure(
                .invalidArgument,
                "the URL is not http(s)://HOST[:PORT]/PATH, or has a user name or empty or dot segments in its path")
        }
        let endpoint = try place(of: file)
        let credential = try credential(request)
        let isShared = registries.isShared(file.path, of: file.host)
        let cached = store.blob(digest)?.bytes
        var bytes = cached ?? 0
        if cached == nil { bytes = try await size(of: file, digest, endpoint, credential, isShared: isShared) }
        let source = OriginSource(registry: file.host.description, target: file.target, credential: credential)
        let ticketed = TicketedFiles.File(digest: digest, bytes: bytes, source: source, isShared: isShared)
        guard let ticket = files.add(ticketed) else {
            throw AdminFailure(
                .unavailable, "\(TicketedFiles.countMax) files are being fetched already; try again later")
        }
        // What is here already came from elsewhere, and nobody has seen that this host has it, too.
        if cached == nil {
            let store = store
            let (host, name) = (file.host.canonical.description, FilePlace.name(file.path))
            await Loop.offload { store.recordNamed(digest, registry: host, repository: name) }
        }
        var offer = FileOffer()
        offer.path = ticket.path
        offer.bytes = UInt64(clamping: bytes)
        offer.isCached = cached != nil
        return offer
    }

    private func place(of file: OriginFile) throws(AdminFailure) -> OriginEndpoint {
        guard let endpoint = registries.endpoint(for: file.host) else {
            throw AdminFailure(
                .failedPrecondition,
                "\(notNamed(file.host)): files come only from hosts that one names, or with mirror.any_registry")
        }
        guard file.isAt(endpoint) else {
            throw AdminFailure(
                .failedPrecondition,
                "the settings reach \(file.host) at \(endpoint.url): the URL has another scheme, host or port")
        }
        guard registries.serves(path: file.path, of: file.host) else {
            throw AdminFailure(.failedPrecondition, "allow and deny of [[registry]] \(file.host) leave this path out")
        }
        return endpoint
    }

    private func credential(_ request: FileRequest) throws(AdminFailure) -> Credential? {
        guard !request.authorization.isEmpty else { return nil }
        guard let credential = Credential(ownAuthorization: request.authorization) else {
            throw AdminFailure(.invalidArgument, "only Bearer and Basic can be passed on to the file's host")
        }
        return credential
    }

    /// The host's word; while it cannot be reached, the peers'.
    private func size(
        of file: OriginFile, _ digest: Digest, _ endpoint: OriginEndpoint, _ credential: Credential?, isShared: Bool
    ) async throws(AdminFailure) -> Int64 {
        do throws(OriginError) {
            return try await origin.fileSize(endpoint: endpoint, target: file.target, credential: credential)
        } catch {
            NodeLog.registryFailed(error, file.host, logger)
            if error.mayPass, isShared, let bytes = await swarm.locate(digest)?.bytes { return bytes }
            let isGone = error == .notFound
            throw AdminFailure(
                error.mayPass ? .unavailable : isGone ? .notFound : .failedPrecondition,
                "\(file.host): \(fileSentence(error))")
        }
    }

    private func fileSentence(_ error: OriginError) -> String {
        switch error {
        case .notFound: "the host has no such file (404)"
        case .denied(let status, _): "the host wants other rights (\(status)); see --help for credentials"
        case .refused(.address): "the host, or where it points to, has an address this node does not go to"
        case .refused: "the host points to where this node does not go"
        case .badContent: "the host does not say how large the file is"
        case .unreachable: "the host cannot be reached"
        default: sentence(error)
        }
    }

    func file(_ ticket: FileTicket) async -> TicketedFile? {
        guard let file = files.use(ticket) else { return nil }
        return TicketedFile(digest: file.digest, answer: await content(of: file))
    }

    private func content(of file: TicketedFiles.File) async -> BlobAnswer {
        if let whole = await opened(file.digest) { return .whole(whole) }
        if files.isWrong(file) { return .wrong }
        if file.bytes == 0 { return await emptyBlob(file.digest) }
        do throws(DownloadFailure) {
            let download = try await swarm.download(
                file.digest, bytes: file.bytes, source: file.source, isShared: file.isShared)
            return .arriving(ArrivingDownload(download))
        } catch {
            logger.warning("file declined", metadata: ["digest": "\(file.digest)", "reason": "\(error)"])
            return .declined(reason: "this node cannot fetch the file now: \(error)")
        }
    }
}
