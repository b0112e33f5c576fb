/// A text on its way to the model, and where in it the words are.
struct PieceText {
    var bytes: [UInt8]
    var words: [Range<Int>]
    /// Whether it begins where the whole text begins.
    var isStart: Bool

    init(_ bytes: [UInt8], isStart: Bool) {
        self.bytes = bytes
        self.isStart = isStart
        words = bytes.isEmpty ? [] : [0..<bytes.count]
    }

    /// Replaces each word by the words that `body` appends for it.
    mutating func splitWords(_ body: (UnsafeBufferPointer<UInt8>, Range<Int>, inout [Range<Int>]) -> Void) {
        var result: [Range<Int>] = []
        result.reserveCapacity(max(words.count, bytes.count / 5))
        bytes.withUnsafeBufferPointer { text in
            for word in words { body(text, word, &result) }
        }
        words = result
    }
}

/// A step that cuts a text into words, which the model sees one by one.
enum PreTokenizer: Sendable, Equatable {
    case words(WordScanner)
    /// Numbers apart from all else, each digit by itself or runs of them.
    case digits(individually: Bool)

    func apply(_ piece: inout PieceText) {
        switch self {
        case .words(let scanner): piece.splitWords(scanner.split)
        case .digits(let individually):
            piece.splitWords { text, word, words in Self.digits(text, word, individually, into: &words) }
        }
    }

    private static func digits(
        _ text: UnsafeBufferPointer<UInt8>, _ word: Range<Int>, _ individually: Bool, into words: inout [Range<Int>]
    ) {
        let table = ScalarClass.Table.shared
        var start = word.lowerBound
        var index = start
        var wasNumber = false
        while index < word.upperBound {
            let (scalar, length) = decodeScalar(text, at: index)
            let isNumber = ScalarClass.of(scalar, table).contains(.number)
            if index > start, isNumber != wasNumber || isNumber && individually {
                words.append(start..<index)
                start = index
            }
            wasNumber = isNumber
            index += length
        }
        if start < word.upperBound { words.append(start..<word.upperBound) }
    }
}
