import CRIClient
import ContentStore
import EventLoop
import Logging
import OCIModel
import PeerTransport

/// Keeps the node informed of which blobs containerd has, so that they count as cached, and lets blobs that both have
/// take their space once.
///
///     looking for the store --containerd named its folder--> watching
///
/// Until containerd has answered, the folder where it usually is counts. The folder is looked at when the kernel says
/// that it changed, and every few seconds in case nobody did. What containerd pulls past this node is hashed soon
/// after, so that no peer has to wait for that; what was there at the start only when somebody asks for it. At any
/// moment at most one look, or one blob's sharing or hashing, runs off the loop. Stopped, it leaves the store alone but
/// for what runs.
@LoopActor
final class RuntimeStoreWatch {
    static let usualFolder = "/var/lib/containerd/io.containerd.content.v1.content"

    private(set) var folder: String
    private(set) var problem: String?
    private let store: ContentStore
    private let swarm: Swarm
    private let logger: Logger
    private let socket: String
    private let askAgainMillis: UInt64
    private var isFound: Bool
    private var watcher: FolderWatcher?
    private let soon = LoopTimer()
    private let regularly = LoopTimer()
    private let quiet = LoopTimer()
    private let askAgain = LoopTimer()
    private var asking: Task<Void, Never>?
    private var isBusy = false
    /// Came since the first look, and may have to be hashed.
    private var fresh: [Digest] = []
    private var hasLooked = false
    private var isLookDue = false
    private var isPulling = false
    private var isStopped = false

    /// From a change to the look at it: a pull changes the folder many times.
    private static let soonMillis: UInt64 = 300
    private static let regularMillis: UInt64 = 5_000
    /// Sharing waits for the end of a pull, whose processors it would take.
    private static let quietMillis: UInt64 = 2_000
    private static let freshMax = 1_000

    /// `nil` when the settings leave containerd's blobs alone.
    init?(_ settings: Settings, store: ContentStore, swarm: Swarm, logger: Logger) {
        switch settings.runtimeStore {
        case .off: return nil
        case .found: (folder, isFound) = (Self.usualFolder, false)
        case .folder(let path): (folder, isFound) = (path, true)
        }
        self.store = store
        self.swarm = swarm
        self.logger = logger
        socket = settings.containerdSocket
        askAgainMillis = UInt64(clamping: settings.containerdCheckSeconds) * 1000
    }

    func start() {
        regularly.start(after: Self.regularMillis, every: Self.regularMillis) { [weak self] in self?.look() }
        if isFound { look() } else { ask() }
    }

    func stop() {
        isStopped = true
        asking?.cancel()
        watcher = nil
        for timer in [soon, regularly, quiet, askAgain] { timer.stop() }
    }

    // MARK: Where it is

    private func ask() {
        let client = CRIClient(socket: socket)
        asking = Loop.task { [weak self] in
            var root: String?
            do throws(CRIError) {
                root = try await client.contentStoreFolder()
            } catch {
                root = nil
            }
            self?.answered(root)
        }
    }

    private func answered(_ root: String?) {
        guard !isStopped else { return }
        if let root {
            isFound = true
            folder = root
        } else {
            askAgain.start(after: askAgainMillis) { [weak self] in self?.ask() }
        }
        look()
    }

    // MARK: What is there

    private func look() {
        guard !isStopped else { return }
        guard !isBusy else {
            isLookDue = true
            return
        }
        isBusy = true
        isLookDue = false
        let (store, folder) = (store, folder)
        Loop.offload({ store.lookAtRuntime(folder) }, then: { [weak self] in self?.took($0) })
    }

    private func took(_ look: RuntimeLook) {
        isBusy = false
        guard !isStopped else { return }
        say(look)
        for digest in look.appeared { swarm.blobCommitted(digest) }
        for digest in look.vanished + look.wrong where store.blob(digest) == nil { swarm.blobRemoved(digest) }
        if let folder = look.openedFolder { watch(folder) }
        if hasLooked { fresh += look.appeared.prefix(Self.freshMax - fresh.count) }
        hasLooked = hasLooked || look.problem == nil
        if !look.appeared.isEmpty {
            isPulling = true
            quiet.start(after: Self.quietMillis) { [weak self] in
                self?.isPulling = false
                self?.share()
            }
        }
        if isLookDue { self.look() } else { share() }
    }

    private func watch(_ folder: String) {
        do throws(LoopError) {
            watcher = try FolderWatcher(folder) { [weak self] in
                self?.soon.start(after: Self.soonMillis) { self?.look() }
            }
        } catch {
            // The regular looks are enough, if later.
            logger.info("containerd's folder is not watched", metadata: ["folder": "\(folder)", "error": "\(error)"])
        }
    }

    private func share() {
        guard !isBusy, !isPulling, !isStopped else { return }
        isBusy = true
        let store = store
        Loop.offload({ store.shareNext() }) { [weak self] isMore in
            guard let self else { return }
            isBusy = false
            if isLookDue { look() } else if isMore { share() } else { hash() }
        }
    }

    private func hash() {
        guard !isBusy, !isPulling, !isStopped else { return }
        guard let digest = fresh.popLast() else { return }
        isBusy = true
        let store = store
        Loop.offload({
            guard !store.isCommitted(digest), store.pieceDigests(digest) == nil else { return }
            _ = try? store.computePieceDigests(digest)  // Tried again when somebody asks for it.
        }) { [weak self] in
            guard let self else { return }
            isBusy = false
            if isLookDue { look() } else { hash() }
        }
    }

    private func say(_ look: RuntimeLook) {
        for digest in look.wrong {
            logger.warning(
                "a blob of containerd's is damaged, and not served",
                metadata: ["digest": "\(digest)", "folder": "\(folder)"])
        }
        if look.openedFolder != nil {
            logger.info(
                "containerd's blobs count as cached",
                metadata: ["folder": "\(folder)", "blobs": "\(store.runtimeUsage.blobCount)"])
        }
        let before = problem
        problem = look.problem.map { isFound ? "\($0)" : "containerd does not answer on \(socket), and \($0)" }
        guard problem != before, let problem else { return }
        // A daemon that may not see them by default has no problem.
        if case .missing? = look.problem {
            logger.debug("containerd has no blobs", metadata: ["reason": "\(problem)"])
        } else if !isFound {
            logger.info("containerd's blobs are left alone", metadata: ["reason": "\(problem)"])
        } else {
            logger.warning("containerd's blobs cannot be used", metadata: ["reason": "\(problem)"])
        }
    }
}
