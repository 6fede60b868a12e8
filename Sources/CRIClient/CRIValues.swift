/// What answers on the socket.
package struct CRIVersion: Hashable, Sendable {
    /// For example `containerd`.
    package let runtimeName: String
    package let runtimeVersion: String
}

/// An image in CRI's namespace; several names may lead to one.
package struct CRIImage: Hashable, Sendable {
    /// The digest of the image's config, which is the image's id.
    package let id: String
    package let tags: [String]
    package let digests: [String]
    /// Bytes of the image's blobs in containerd's content store.
    package let bytes: UInt64
}

/// One plugin of containerd, loaded or not.
package struct ContainerdPlugin: Hashable, Sendable {
    package let type: String
    package let id: String
    /// The folder it keeps its files in, where it tells.
    package var root: String?
    /// Why it did not load; `nil` when it did.
    package let failure: Failure?

    package struct Failure: Hashable, Sendable {
        package let code: CRIError.Code
        package let message: String

        /// The plugin found that it has nothing to do on this machine, which is not an error.
        package var isSkip: Bool { code == .unimplemented }
    }
}

/// One of the runtime's conditions, such as `RuntimeReady` or `NetworkReady`.
package struct CRICondition: Hashable, Sendable {
    package let type: String
    package let isTrue: Bool
    package let reason: String
    package let message: String
}

/// Whether containerd serves CRI.
///
/// A conflict in its configuration does not stop containerd: it runs without CRI.
package enum CRIState: Hashable, Sendable {
    case ready(CRIVersion)
    /// The CRI plugins that did not load, with containerd's own messages.
    case failed([ContainerdPlugin])
    /// There is no CRI plugin: it is disabled or not built in.
    case absent
}
