/// A user of a registry, for one pull; every description of it is redacted.
package struct CRICredential: Sendable {
    let user: String
    let password: String

    /// `nil` for what CRI cannot carry: without a user containerd would take the password for an identity token, and
    /// its messages hold no NUL.
    package init?(user: String, password: String) {
        guard !user.isEmpty, !user.utf8.contains(0), !password.utf8.contains(0) else { return nil }
        self.user = user
        self.password = password
    }
}

extension CRICredential: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "CRICredential(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
