import OCIModel
import PieceModel

/// What is known of the digests of one blob's pieces: the digest, who authored it and who told it.
///
/// Memory grows with the digests known, a page at a time. The first digest told for a piece stays until the
/// registry's bytes or a dropped piece replace it.
struct DigestTable: Sendable {
    struct Entry: Equatable, Sendable {
        let digest: Digest
        /// Index into `names`.
        let author: Int32
        let teller: Int32
        /// The teller said it as its author; otherwise it passed it on, and may have been fooled.
        let isFirsthand: Bool
    }

    /// More distinct names than this in one blob are not an honest cluster's; the teller then stands for the
    /// author.
    static let namesMax = 4096
    private static let pageSize = 256

    private var pages: [[Entry?]]
    private var names: [PeerName] = []
    private var indexes: [PeerName: Int32] = [:]

    init(pieceCount: Int) {
        pages = [[Entry?]](repeating: [], count: (pieceCount + Self.pageSize - 1) / Self.pageSize)
    }

    func digest(of piece: Int) -> Digest? { entry(piece)?.digest }

    func author(of piece: Int) -> PeerName? { entry(piece).map { names[Int($0.author)] } }

    func statement(of piece: Int) -> Blame.Statement? {
        entry(piece).map {
            Blame.Statement(
                digest: $0.digest,
                author: names[Int($0.author)],
                teller: names[Int($0.teller)],
                isFirsthand: $0.isFirsthand
            )
        }
    }

    mutating func set(_ piece: Int, _ told: Blame.Statement) {
        let teller = index(of: told.teller)
        let isKnown = names.count < Self.namesMax || indexes[told.author] != nil
        let author = isKnown ? index(of: told.author) : teller
        let page = piece / Self.pageSize
        if pages[page].isEmpty { pages[page] = [Entry?](repeating: nil, count: Self.pageSize) }
        pages[page][piece % Self.pageSize] = Entry(
            digest: told.digest,
            author: author,
            teller: teller,
            isFirsthand: told.isFirsthand
        )
    }

    mutating func remove(_ piece: Int) {
        let page = piece / Self.pageSize
        guard !pages[page].isEmpty else { return }
        pages[page][piece % Self.pageSize] = nil
    }

    private func entry(_ piece: Int) -> Entry? {
        let page = pages[piece / Self.pageSize]
        return page.isEmpty ? nil : page[piece % Self.pageSize]
    }

    private mutating func index(of name: PeerName) -> Int32 {
        if let known = indexes[name] { return known }
        let index = Int32(names.count)
        names.append(name)
        indexes[name] = index
        return index
    }
}
