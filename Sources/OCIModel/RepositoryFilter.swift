/// A pattern for repository names: `*` stands for any characters, slashes included, all others for themselves.
package struct RepositoryPattern: Hashable, Sendable {
    package let text: String

    /// Longer ones match nothing that a longest repository name could not match.
    private static let bytesMax = 2 * RepositoryName.bytesMax

    /// `nil` when no repository name could match: an empty pattern, or other characters than names have and `*`.
    package init?(_ text: String) {
        let extra = Array("*/._-".utf8)
        guard !text.isEmpty, text.utf8.count <= Self.bytesMax,
            text.utf8.allSatisfy({ ASCII.isLower($0) || ASCII.isDigit($0) || extra.contains($0) })
        else { return nil }
        self.text = text
    }

    /// In at most name times pattern steps, whatever the pattern: each star takes up at the first place where what
    /// follows it fits, and only the last star met is ever tried again.
    package func matches(_ repository: RepositoryName) -> Bool { matches(repository.text) }

    /// The same for the path of a file, which may hold any characters.
    package func matches(_ path: String) -> Bool {
        let (name, pattern) = (Array(path.utf8), Array(text.utf8))
        var (at, next) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while at < name.count {
            if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
                star = (next, at)
                next += 1
            } else if next < pattern.count, pattern[next] == name[at] {
                (at, next) = (at + 1, next + 1)
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                (at, next) = (last.name + 1, last.pattern + 1)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// Which repositories of a registry may be asked for: those that `allow` names, or all if it names none, without
/// those that `deny` names.
package struct RepositoryFilter: Hashable, Sendable {
    package var allow: [RepositoryPattern] = []
    package var deny: [RepositoryPattern] = []

    package init() {}

    package func permits(_ repository: RepositoryName) -> Bool { permits(repository.text) }

    /// The same for the path of a file.
    package func permits(_ path: String) -> Bool {
        (allow.isEmpty || allow.contains { $0.matches(path) }) && !deny.contains { $0.matches(path) }
    }
}
