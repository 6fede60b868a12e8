package import HTTPTransfer

/// Why a call to containerd failed.
package enum CRIError: Error, Hashable, Sendable {
    /// No answer: containerd does not run, the socket is another program's, or the deadline passed.
    case unreachable(TransferError)
    /// containerd's own verdict.
    case status(Code, message: String)
    /// An answer that is not gRPC, or not the message it should be.
    case malformed

    /// gRPC's canonical status codes; 0 (OK) is never an error.
    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: Int

        package init(rawValue: Int) {
            self.rawValue = rawValue
        }

        package static let unknown = Code(rawValue: 2)
        package static let deadlineExceeded = Code(rawValue: 4)
        package static let notFound = Code(rawValue: 5)
        /// Also what containerd answers for every CRI call when its CRI plugin did not load.
        package static let unimplemented = Code(rawValue: 12)
        package static let unavailable = Code(rawValue: 14)
    }
}
