/// SentencePiece's byte-pair encoding: of adjacent pieces those are merged whose text is the token of the highest score.
/// What is no token in the end is spelled in bytes.
struct SentencePieceModel: Sendable {
    let vocabulary: Vocabulary
    /// Equal scores have equal ranks; `BytePairMerger.none` for tokens that no text makes.
    private let ranks: [UInt32]
    /// The tokens of single bytes. Empty when there are none.
    private let bytes: [Int32]
    private let unknown: Int32?

    /// - Parameter isPiece: whether a text can make the token.
    init(_ vocabulary: Vocabulary, scores: [Float], bytes: [Int32], unknown: Int32?, isPiece: (Int) -> Bool) {
        self.vocabulary = vocabulary
        self.bytes = bytes
        self.unknown = unknown
        var ranks = [UInt32](repeating: BytePairMerger.none, count: vocabulary.count)
        let order = ranks.indices.filter(isPiece).sorted { scores[$0] > scores[$1] }
        var rank: UInt32 = 0
        for (place, id) in order.enumerated() {
            if place > 0, scores[id] != scores[order[place - 1]] { rank += 1 }
            ranks[id] = rank
        }
        self.ranks = ranks
    }

    func encode(_ word: UnsafeBufferPointer<UInt8>, _ merger: inout BytePairMerger, into ids: inout [Int32]) {
        merger.removeAll()
        var index = 0
        while index < word.count {
            let end = index + decodeScalar(word, at: index).length
            merger.append(piece(word[slice: index..<end]) ?? -1, end: end)
            index = end
        }
        merger.merge(
            pair: { _, _, start, end in
                guard let id = piece(word[slice: start..<end]) else { return (BytePairMerger.none, 0) }
                return (ranks[Int(id)], id)
            },
            emit: { id, start, end in
                if id >= 0 {
                    ids.append(id)
                } else if !bytes.isEmpty {
                    for byte in word[start..<end] { ids.append(bytes[Int(byte)]) }
                } else if let unknown, ids.last != unknown {
                    ids.append(unknown)
                }
            })
    }

    @inline(__always)
    private func piece(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
        guard let id = vocabulary.id(text), ranks[Int(id)] != BytePairMerger.none else { return nil }
        return id
    }
}
