package import PieceModel

extension PartialBlob {
    /// Writes the first bytes of a piece that is not whole yet: they can be read, but are lost with this object.
    ///
    /// `false`, and nothing is written, when the piece is held. Throws as `store` does.
    package func storeEarly(_ piece: PieceIndex, bytes: [UInt8]) throws(StoreError) -> Bool {
        precondition(bytes.count <= layout.byteCount(of: piece), "early bytes are within their piece")
        return try store.noting { () throws(StoreError) in
            try writer(of: piece).withLock { () throws(StoreError) in
                guard try isWanted(piece) else { return false }
                try store.disk.writeAll(data.number, bytes, at: layout.start(of: piece))
                return true
            }
        }
    }
}
