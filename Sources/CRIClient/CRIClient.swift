import CCRIProto
package import EventLoop
import HTTPTransfer
import ProtobufCodec

/// Calls containerd over its Unix socket: gRPC's unary calls on HTTP/2 without TLS.
///
/// Every call has a connection and a deadline of its own and can be cancelled with its task.
@LoopActor
package final class CRIClient {
    /// Milliseconds for every call but a pull.
    package static let deadlineMillis: UInt64 = 10_000
    package static let pullDeadlineMillis: UInt64 = 30 * 60 * 1000
    /// Answers above this are refused; a list of 10 000 images is about 5 MiB.
    static let answerBytesMax = 16 << 20

    private let channel: GRPCChannel

    /// `socket` is the path of containerd's socket, usually `/run/containerd/containerd.sock`.
    package init(socket: String) {
        channel = GRPCChannel(socket: socket)
    }

    /// Fails with `unimplemented` when containerd runs without its CRI plugin.
    package func version() async throws(CRIError) -> CRIVersion {
        try await call(
            "/runtime.v1.RuntimeService/Version",
            ProtobufSchema(runtime__v1__version_request__init),
            { message, arena in message.version = arena.text("v1") },
            ProtobufSchema(runtime__v1__version_response__init)
        ) {
            CRIVersion(runtimeName: Self.text($0.runtime_name), runtimeVersion: Self.text($0.runtime_version))
        }
    }

    /// The runtime's own conditions; without CNI `NetworkReady` is false, which pulls do not need.
    package func conditions() async throws(CRIError) -> [CRICondition] {
        try await call(
            "/runtime.v1.RuntimeService/Status",
            ProtobufSchema(runtime__v1__status_request__init),
            { _, _ in },
            ProtobufSchema(runtime__v1__status_response__init)
        ) { answer in
            guard let status = answer.status?.pointee else { return [] }
            return ProtobufField.messages(status.conditions, count: status.n_conditions).map {
                CRICondition(
                    type: Self.text($0.type),
                    isTrue: $0.status != 0,
                    reason: Self.text($0.reason),
                    message: Self.text($0.message)
                )
            }
        }
    }

    /// The registry settings that the running containerd 1.x works with; `nil` from 2.0 on, which does not tell.
    ///
    /// Passwords that come with the answer are dropped here.
    package func registrySettings() async throws(CRIError) -> CRIRegistrySettings? {
        let config = try await call(
            "/runtime.v1.RuntimeService/Status",
            ProtobufSchema(runtime__v1__status_request__init),
            { message, _ in message.verbose = 1 },
            ProtobufSchema(runtime__v1__status_response__init)
        ) { answer in
            ProtobufField.messages(answer.info, count: answer.n_info)
                .first { Self.text($0.key) == "config" }.map { Self.text($0.value) }
        }
        return config.flatMap(CRIRegistrySettings.init(json:))
    }

    /// Pulls an image as the kubelet would have it pulled, and returns its id; without a credential as nobody.
    @discardableResult
    package func pull(
        _ image: String,
        as credential: CRICredential? = nil,
        deadlineMillis: UInt64 = pullDeadlineMillis
    ) async throws(CRIError) -> String {
        try await call(
            "/runtime.v1.ImageService/PullImage",
            ProtobufSchema(runtime__v1__pull_image_request__init),
            { message, arena in
                message.image = Self.spec(image, arena)
                message.auth = credential.map { Self.auth($0, arena) }
            },
            ProtobufSchema(runtime__v1__pull_image_response__init),
            deadlineMillis: deadlineMillis
        ) { Self.text($0.image_ref) }
    }

    /// All images of CRI's namespace, in containerd's order.
    package func images() async throws(CRIError) -> [CRIImage] {
        try await call(
            "/runtime.v1.ImageService/ListImages",
            ProtobufSchema(runtime__v1__list_images_request__init),
            { _, _ in },
            ProtobufSchema(runtime__v1__list_images_response__init)
        ) { ProtobufField.messages($0.images, count: $0.n_images).map(Self.image) }
    }

    /// `nil` when there is no such image.
    package func image(_ name: String) async throws(CRIError) -> CRIImage? {
        try await call(
            "/runtime.v1.ImageService/ImageStatus",
            ProtobufSchema(runtime__v1__image_status_request__init),
            { $0.image = Self.spec(name, $1) },
            ProtobufSchema(runtime__v1__image_status_response__init)
        ) { $0.image.map { Self.image($0.pointee) } }
    }

    /// Succeeds also when there is no such image.
    package func removeImage(_ image: String) async throws(CRIError) {
        try await call(
            "/runtime.v1.ImageService/RemoveImage",
            ProtobufSchema(runtime__v1__remove_image_request__init),
            { $0.image = Self.spec(image, $1) },
            ProtobufSchema(runtime__v1__remove_image_response__init)
        ) { _ in }
    }

    /// All plugins of containerd, or those a filter of containerd's language selects (`id==cri`).
    package func plugins(matching filters: [String] = []) async throws(CRIError) -> [ContainerdPlugin] {
        try await call(
            "/containerd.services.introspection.v1.Introspection/Plugins",
            ProtobufSchema(runtime__v1__plugins_request__init),
            { message, arena in
                message.n_filters = filters.count
                message.filters = arena.array(filters.map { arena.text($0) })
            },
            ProtobufSchema(runtime__v1__plugins_response__init)
        ) { ProtobufField.messages($0.plugins, count: $0.n_plugins).map(Self.plugin) }
    }

    /// The folder of containerd's content store, as its plugin exports it; `nil` when that did not load.
    package func contentStoreFolder() async throws(CRIError) -> String? {
        try await plugins(matching: ["type==io.containerd.content.v1"]).first { $0.failure == nil }?.root
    }

    /// Whether CRI is served, and if it is not, containerd's reason.
    package func criState() async throws(CRIError) -> CRIState {
        let cri = try await plugins().filter(Self.isCRI)
        let failed = cri.filter { $0.failure?.isSkip == false }
        guard failed.isEmpty else { return .failed(failed) }
        // A disabled plugin is not listed.
        guard cri.contains(where: { $0.id == "cri" && $0.failure == nil }) else { return .absent }
        return .ready(try await version())
    }

    /// containerd 1.x has one CRI plugin; 2.x split its images and runtime parts off.
    private static func isCRI(_ plugin: ContainerdPlugin) -> Bool {
        (plugin.type == "io.containerd.grpc.v1" && plugin.id == "cri")
            || plugin.type == "io.containerd.cri.v1"
    }

    private func call<Request, Answer, Value: Sendable>(
        _ path: String,
        _ request: ProtobufSchema<Request>,
        _ fill: (inout Request, ProtobufArena) -> Void,
        _ answer: ProtobufSchema<Answer>,
        deadlineMillis: UInt64 = deadlineMillis,
        _ read: (Answer) -> Value
    ) async throws(CRIError) -> Value {
        let bytes = try await channel.call(path, request.encode(fill), deadlineMillis: deadlineMillis)
        guard let message = GRPCFrame.decode(bytes) else { throw .malformed }
        // The library needs up to 36 bytes of heap for a byte of message; what containerd sends is far below
        // that.
        let budget = message.count * 8 + (64 << 10)
        do {
            return try message.withUnsafeBytes { buffer in try answer.decode(buffer, budget: budget, read) }
        } catch {
            throw .malformed
        }
    }

    private static func text(_ field: UnsafePointer<CChar>?) -> String { ProtobufField.text(field) ?? "" }

    private static func spec(
        _ image: String,
        _ arena: ProtobufArena
    ) -> UnsafeMutablePointer<Runtime__V1__ImageSpec> {
        arena.message(ProtobufSchema(runtime__v1__image_spec__init)) { $0.image = arena.text(image) }
    }

    private static func auth(
        _ credential: CRICredential,
        _ arena: ProtobufArena
    ) -> UnsafeMutablePointer<Runtime__V1__AuthConfig> {
        arena.message(ProtobufSchema(runtime__v1__auth_config__init)) {
            $0.username = arena.text(credential.user)
            $0.password = arena.text(credential.password)
        }
    }

    private static func image(_ image: Runtime__V1__Image) -> CRIImage {
        CRIImage(
            id: text(image.id),
            tags: ProtobufField.texts(image.repo_tags, count: image.n_repo_tags) ?? [],
            digests: ProtobufField.texts(image.repo_digests, count: image.n_repo_digests) ?? [],
            bytes: image.size
        )
    }

    private static func plugin(_ plugin: Runtime__V1__Plugin) -> ContainerdPlugin {
        let failure = plugin.init_err.map {
            ContainerdPlugin.Failure(
                code: CRIError.Code(rawValue: Int($0.pointee.code)),
                message: text($0.pointee.message)
            )
        }
        let root = ProtobufField.messages(plugin.exports, count: plugin.n_exports)
            .first { text($0.key) == "root" }.map { text($0.value) }
        return ContainerdPlugin(type: text(plugin.type), id: text(plugin.id), root: root, failure: failure)
    }
}
