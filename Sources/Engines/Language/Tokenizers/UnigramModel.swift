/// The unigram language model: of all ways to cut a text into tokens the one of the highest sum of scores (Viterbi).
struct UnigramModel: Sendable {
    private let trie: ByteTrie
    private let scores: [Double]
    private let unknown: Int32
    private let unknownScore: Double
    /// The tokens of single bytes, which stand for unknown characters. Empty when there are none.
    private let bytes: [Int32]

    /// SentencePiece's: an unknown character costs as much as the rarest token and this.
    private static let unknownPenalty = 10.0

    /// - Parameter isPiece: whether a text can make the token.
    init(
        _ tokens: ByteStrings, scores: [Double], unknown: Int32, bytes: [Int32], isPiece: (Int) -> Bool
    ) throws {
        var trie = ByteTrie()
        var least = Double.infinity
        for id in tokens.indices where isPiece(id) {
            least = min(least, scores[id])
            if !tokens[id].isEmpty { try trie.insert(tokens[id], Int32(id)) }
        }
        self.trie = trie
        self.scores = scores
        self.unknown = unknown
        self.bytes = bytes
        unknownScore = (least.isFinite ? least : 0) - Self.unknownPenalty
    }

    private struct Node {
        var score = -Double.infinity
        var start: Int32 = -1
        var id: Int32 = -1
    }

    func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        guard !text.isEmpty else { return }
        var best = [Node](repeating: Node(), count: text.count + 1)
        best[0].score = 0
        var start = 0
        while start < text.count {
            let length = decodeScalar(text, at: start).length
            let reached = best[start].score
            var node = ByteTrie.root
            var index = start
            var isKnown = false
            while index < text.count, let child = trie.child(of: node, text[index]) {
                node = child
                index += 1
                guard let id = trie.value(of: node) else { continue }
                if index - start == length { isKnown = true }
                let score = reached + scores[Int(id)]
                if best[index].start < 0 || score > best[index].score {
                    best[index] = Node(score: score, start: Int32(start), id: id)
                }
            }
            let end = start + length
            if !isKnown, best[end].start < 0 || reached + unknownScore > best[end].score {
                best[end] = Node(score: reached + unknownScore, start: Int32(start), id: unknown)
            }
            start = end
        }
        append(best, text, into: &ids)
    }

    private func append(_ best: [Node], _ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        var path: [(id: Int32, range: Range<Int>)] = []
        var end = text.count
        while end > 0 {
            let start = Int(best[end].start)
            path.append((best[end].id, start..<end))
            end = start
        }
        var wasUnknown = false
        for (id, range) in path.reversed() {
            if id != unknown {
                ids.append(id)
            } else if !bytes.isEmpty {
                for byte in text[range] { ids.append(bytes[Int(byte)]) }
            } else if !wasUnknown {
                // Neighbours that are unknown are one.
                ids.append(unknown)
            }
            wasUnknown = id == unknown
        }
    }
}
