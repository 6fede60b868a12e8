import AdminAPI
import ArgumentParser

/// `hawker cache`: look at the cache and take things out of it.
struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "List cached blobs and remove them.",
        subcommands: [CacheListCommand.self, CacheRemoveCommand.self])
}

/// `hawker cache ls`.
struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List cached blobs, most recently used first.")

    @OptionGroup var admin: AdminOptions

    func run() async throws {
        let blobs = try await admin.ask { client throws(AdminFailure) in try await client.cacheList() }
        if admin.json { return try Console.printJSON(blobs) }
        if blobs.isEmpty { return print("the cache is empty") }
        Console.printTable(
            ["DIGEST", "SIZE", "PINNED", "MEDIA TYPE"],
            blobs.map { [$0.digest, Console.bytes($0.bytes), $0.pinned ? "yes" : "no", $0.mediaType] },
            right: [1])
    }
}

/// `hawker cache rm DIGEST…`.
struct CacheRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove blobs from the cache. They are fetched again when somebody asks.",
        discussion: "Exit status 65 when one of the digests was not in the cache; the others are removed all the same.")

    @OptionGroup var admin: AdminOptions

    @Argument(help: "Digests as `hawker cache ls` prints them: sha256:…")
    var digests: [String]

    func run() async throws {
        let removed = try await admin.ask { client throws(AdminFailure) in try await client.cacheRemove(digests) }
        if admin.json {
            try Console.printJSON(removed)
        } else {
            for blob in removed {
                print(blob.removed ? "removed \(blob.digest), \(Console.bytes(blob.bytes))" : "not cached: \(blob.digest)")
            }
        }
        if removed.contains(where: { !$0.removed }) { throw Exit.data }
    }
}
