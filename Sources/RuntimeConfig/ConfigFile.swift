package import TOMLEdit

/// One file of containerd's configuration.
package struct ConfigFile: Sendable {
    package let path: String
    package let document: TOMLDocument
    /// `false` only for a main file that is not there: containerd starts without one.
    package let exists: Bool
    /// `version`; 0 when the file has none.
    package let version: Int
}
