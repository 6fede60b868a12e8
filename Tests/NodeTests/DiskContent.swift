import Foundation
import Glibc
import OCIModel
import TestSupport

/// What a node that does not run has on disk of a blob whose bytes the test knows.
///
/// Reads the journal by its drawing alone (a header of 64 bytes, then a slot of 112 bytes per piece), so that
/// it shares nothing with the code under test.
struct DiskContent {
    /// The blob lies under its final name.
    let isWhole: Bool
    /// Bytes of the pieces that the journal names.
    let journalledBytes: Int
    /// Bytes of them that are not the blob's.
    let wrongBytes: Int

    init(of blob: Blob, in node: NodeProcess) {
        let hex = blob.digest.hex
        let whole = Self.read("\(node.cachePath)/blobs/sha256/\(hex.prefix(2))/\(hex)")
        let data = Self.read("\(node.cachePath)/partial/\(hex).data")
        let journal = Self.read("\(node.cachePath)/partial/\(hex).journal")
        if let whole {
            isWhole = true
            journalledBytes = blob.bytes.count
            wrongBytes = whole == blob.bytes ? 0 : blob.bytes.count
            return
        }
        isWhole = false
        var journalled = 0
        var wrong = 0
        if let data, let journal, journal.count >= 64 {
            let pieceBytes = Int(Self.number(journal[48..<52]))
            for slot in 0..<(journal.count - 64) / 112 where pieceBytes > 0 {
                let fields = Array(journal[(64 + slot * 112)..<(64 + (slot + 1) * 112)])
                // A slot that the kill cut off lacks its check at the end.
                guard Int(Self.number(fields[0..<4])) == slot, fields[8..<40].contains(where: { $0 != 0 }),
                    fields[104..<112].contains(where: { $0 != 0 })
                else { continue }
                let piece = slot * pieceBytes..<min((slot + 1) * pieceBytes, blob.bytes.count)
                journalled += piece.count
                let isRight =
                    data.count >= piece.upperBound
                    && Array(data[piece]).isEqual(toBytesOf: blob.bytes, from: piece.lowerBound)
                if !isRight { wrong += piece.count }
            }
        }
        journalledBytes = journalled
        wrongBytes = wrong
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `nil` when there is no such file.
    private static func read(_ path: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(fileURLWithPath: path))).map(Array.init)
    }
}

extension [UInt8] {
    /// Whether these are the bytes of `other` from there on. By `memcmp`: unoptimized loops over megabytes
    /// take seconds.
    func isEqual(toBytesOf other: [UInt8], from offset: Int) -> Bool {
        guard offset + count <= other.count else { return false }
        return withUnsafeBytes { mine in
            other.withUnsafeBytes { theirs in
                guard let left = mine.baseAddress, let right = theirs.baseAddress else { return isEmpty }
                return memcmp(left, right + offset, count) == 0
            }
        }
    }
}
