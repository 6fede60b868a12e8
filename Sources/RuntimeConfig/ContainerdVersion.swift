/// A containerd release.
///
/// Which settings count depends on it.
package struct ContainerdVersion: Hashable, Comparable, Sendable {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Takes a bare version (`1.6.20`, `v2.0.0-rc.1`, `1.6.20~ds1`) or the line that `containerd --version`
    /// prints.
    package init?(_ text: some StringProtocol) {
        for word in text.split(whereSeparator: \.isWhitespace) {
            let digits = word.hasPrefix("v") ? word.dropFirst() : word[...]
            let release = digits.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let numbers = release.split(separator: ".", omittingEmptySubsequences: false).prefix(3).map {
                Int($0)
            }
            guard numbers.count >= 2, let major = numbers[0], let minor = numbers[1] else { continue }
            self.init(major, minor, numbers.count > 2 ? numbers[2] ?? 0 : 0)
            return
        }
        return nil
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The three ways in which containerd has read its files.
    enum Generation: Sendable {
        /// One section per plugin; the last file that has it gives all of it.
        case one
        /// Tables of all files united; old names carried over after that.
        case two
        /// Old names carried over file by file, tables united after that.
        case twoThree
    }

    var generation: Generation {
        if major < 2 { return .one }
        return self < ContainerdVersion(2, 3, 0) ? .two : .twoThree
    }

    /// The oldest release with `config_path`.
    static let oldest = ContainerdVersion(1, 5, 0)

    /// The highest `version` of a file that this release starts with.
    var fileVersionMax: Int {
        switch generation {
        case .one: 2
        case .two: 3
        case .twoThree: 4
        }
    }

    /// 2.2.0 and 2.2.1 set a `config_path` of their own even beside `mirrors`, unless a version 3 file
    /// empties it.
    var hasStubbornDefaultPath: Bool {
        (ContainerdVersion(2, 2, 0)...ContainerdVersion(2, 2, 1)).contains(self)
    }

    /// From 2.2.2 on that default applies when neither is set.
    var hasDefaultPath: Bool { self >= ContainerdVersion(2, 2, 0) }

    /// From 2.1 on pulls go through the transfer service, which takes a list of directories for one name.
    var hasTransferService: Bool { self >= ContainerdVersion(2, 1, 0) }

    /// Before 1.6.29 and 1.7.16 a relative pattern in `imports` was resolved against the working directory.
    var resolvesRelativeGlobs: Bool {
        self >= ContainerdVersion(1, 7, 16)
            || (ContainerdVersion(1, 6, 29)..<ContainerdVersion(1, 7, 0)).contains(self)
    }

    /// From 1.6.32 and 1.7.17 on a version 3 file ends the start; before, its settings were ignored.
    var rejectsFileVersion3: Bool {
        self >= ContainerdVersion(1, 7, 17)
            || (ContainerdVersion(1, 6, 32)..<ContainerdVersion(1, 7, 0)).contains(self)
    }

    /// Before 2.0.6 `config dump` left out what it had carried over from the old plugin name.
    var dumpsMigratedSettings: Bool {
        !(ContainerdVersion(2, 0, 0)..<ContainerdVersion(2, 0, 6)).contains(self)
    }

    static let defaultPathList = "/etc/containerd/certs.d:/etc/docker/certs.d"
}

extension ContainerdVersion: CustomStringConvertible {
    package var description: String { "\(major).\(minor).\(patch)" }
}
