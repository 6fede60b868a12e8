import ArgumentParser
import EventLoop
import FoundationEssentials
import Glibc
import PieceModel
import TLS

/// `hawker cert`: the certificates by which nodes know each other.
struct CertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cert", abstract: "Make the certificates by which the nodes of a cluster know each other.",
        discussion: """
            One authority for the cluster, then one certificate for each node:

              hawker cert authority --out /srv/hawker-authority
              hawker cert node node-a --authority /srv/hawker-authority --out /srv/node-a

            Files that cert-manager makes do as well.
            """,
        subcommands: [CertAuthorityCommand.self, CertNodeCommand.self])
}

/// What both commands write: options, and the files themselves.
private struct CertificateOutput: ParsableArguments {
    @Option(help: "Folder for the files; made if missing.")
    var out: String

    @Flag(help: "Replace files that are there already.")
    var force = false

    @Flag(help: "Print JSON.")
    var json = false

    /// In this order, each with the mode it gets; none is written when one is there and may not be replaced.
    func write(_ files: [(name: String, bytes: [UInt8], mode: mode_t)]) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: out, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            try fail("cannot make the folder \(out)")
        }
        for file in files where !force {
            let path = out + "/" + file.name
            var info = stat()
            guard lstat(path, &info) != 0 else {
                Console.complain("\(path) is there already, and stays as it is: choose another --out, or say --force")
                throw Exit.data
            }
        }
        for file in files { try replace(out + "/" + file.name, file.bytes, file.mode) }
    }

    /// Whole or not at all: a daemon may be about to read it.
    private func replace(_ path: String, _ bytes: [UInt8], _ mode: mode_t) throws {
        let draft = "\(path).new-\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { return try fail("cannot write \(draft)") }
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let isWhole = written == bytes.count && fsync(descriptor) == 0
        guard close(descriptor) == 0, isWhole, rename(draft, path) == 0 else {
            let reason = errno
            unlink(draft)
            errno = reason
            return try fail("cannot write \(path)")
        }
    }

    private func fail(_ what: String) throws {
        Console.complain("\(what): \(String(cString: strerror(errno)))")
        throw Exit.data
    }

    /// Says what was made, and what comes next.
    func report(_ made: IssuedCertificate, files: [String], next: String) throws {
        let paths = files.map { out + "/" + $0 }
        if json {
            return try Console.printJSON(
                Report(
                    name: made.content.name, addresses: made.content.addresses,
                    expires: UInt64(clamping: made.content.notAfter), files: paths))
        }
        for path in paths { print("wrote \(path)") }
        print("good until \(Console.date(UInt64(clamping: made.content.notAfter)))\n\n\(next)")
    }

    private struct Report: Encodable {
        let name: String
        let addresses: [String]
        let expires: UInt64
        let files: [String]
    }
}

/// `hawker cert authority`.
private struct CertAuthorityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authority", abstract: "Make the authority of a cluster.",
        discussion: "Keep its folder off the nodes: whoever has ca.key can make himself a node of the cluster.")

    @Option(help: "Name of the authority, at most 64 bytes.")
    var name = "hawker"

    @Option(help: "How long it is good.")
    var days: Int = 3650

    @OptionGroup var output: CertificateOutput

    func validate() throws {
        guard (1...36_500).contains(days) else { throw ValidationError("--days is a number from 1 to 36500") }
        guard PeerName(name) != nil else {
            throw ValidationError("--name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        }
    }

    func run() throws {
        let made = try issue { () throws(TLSError) in try CertificateMaker.authority(named: name, .days(days)) }
        try output.write([("ca.key", made.key, 0o600), ("ca.crt", made.certificate, 0o644)])
        try output.report(
            made, files: ["ca.key", "ca.crt"],
            next: "Next, for each node: hawker cert node NAME --authority \(output.out) --out FOLDER")
    }
}

/// `hawker cert node`.
private struct CertNodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Make the certificate of one node.")

    @Argument(help: "The node's name, as its node.name says.")
    var name: String

    @Option(help: "Folder of the authority, with its ca.crt and ca.key.")
    var authority: String

    @Option(help: "An address of the node: the certificate is then good from the addresses it lists only.")
    var address: [String] = []

    @Option(help: "How long it is good.")
    var days: Int = 365

    @OptionGroup var output: CertificateOutput

    func validate() throws {
        guard (1...36_500).contains(days) else { throw ValidationError("--days is a number from 1 to 36500") }
        guard PeerName(name) != nil else {
            throw ValidationError("NAME is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        }
        for text in address where text.contains("/") || AddressRange(text) == nil {
            throw ValidationError("--address \(text) is no IPv4 or IPv6 address")
        }
    }

    func run() throws {
        let signer = (certificate: try read("ca.crt"), key: try read("ca.key"))
        let made = try issue { () throws(TLSError) in
            try CertificateMaker.node(name, addresses: address, .days(days), authority: signer)
        }
        try output.write([
            ("tls.key", made.key, 0o600), ("tls.crt", made.certificate, 0o644), ("ca.crt", signer.certificate, 0o644),
        ])
        try output.report(
            made, files: ["tls.key", "tls.crt", "ca.crt"],
            next: """
                Next, bring these files to the node, to /etc/hawker/tls for example, and name them in its settings:

                  [peers.tls]
                  certificate = "/etc/hawker/tls/tls.crt"
                  key = "/etc/hawker/tls/tls.key"
                  authorities = ["/etc/hawker/tls/ca.crt"]
                """)
    }

    private func read(_ file: String) throws -> [UInt8] {
        let path = authority + "/" + file
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.complain("\(path) cannot be read: `hawker cert authority --out \(authority)` makes it")
            throw Exit.data
        }
        return Array(data)
    }
}

private func issue(_ make: () throws(TLSError) -> IssuedCertificate) throws -> IssuedCertificate {
    do throws(TLSError) {
        return try make()
    } catch {
        Console.complain("no certificate was made: \(error)")
        throw Exit.data
    }
}
