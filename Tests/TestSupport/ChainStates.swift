import Hashing
package import OCIModel

/// What a blob's SHA-256 is behind each of its pieces, given in order: its states, and behind the last the digest.
package func chainStates(ofPieces pieces: [[UInt8]]) -> [Digest] {
    var hash = SHA256Chain()
    return pieces.enumerated().map { number, bytes in
        bytes.withUnsafeBytes { hash.update($0) }
        return number == pieces.count - 1 ? hash.digest : hash.state
    }
}
