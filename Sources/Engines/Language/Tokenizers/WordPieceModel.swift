/// WordPiece: each word is cut from its beginning into the longest tokens, and is unknown as a whole when that fails.
struct WordPieceModel: Sendable {
    let trie: ByteTrie
    /// Where tokens begin that begin a word, and those that continue one. Nil when there are none.
    let initial: Int32?
    let continuing: Int32?
    let unknown: Int32
    /// Longer words, in characters, are unknown.
    var longestWord = 100

    func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        let before = ids.count
        if characters(word) > longestWord || !cut(word, into: &ids) {
            ids.removeSubrange(before...)
            ids.append(unknown)
        }
    }

    private func cut(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) -> Bool {
        var start = 0
        while start < word.count {
            guard var node = start == 0 ? initial : continuing else { return false }
            var best: (id: Int32, end: Int)?
            var index = start
            while index < word.count, let child = trie.child(of: node, word[index]) {
                node = child
                index += 1
                if let id = trie.value(of: node) { best = (id, index) }
            }
            guard let best else { return false }
            ids.append(best.id)
            start = best.end
        }
        return true
    }

    private func characters(_ word: UnsafeBufferPointer<UInt8>) -> Int {
        word.count <= longestWord ? word.count : word.lazy.filter { $0 & 0xC0 != 0x80 }.count
    }
}
