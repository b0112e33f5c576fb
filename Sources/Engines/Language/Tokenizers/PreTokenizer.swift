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

    /// Replaces the bytes of each word by what `body` gives; nil leaves them.
    mutating func rewriteWords(_ body: (ArraySlice<UInt8>, _ isStart: Bool) -> [UInt8]?) {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 2)
        for index in words.indices {
            let word = bytes[words[index]], start = result.count
            if let replaced = body(word, isStart && words[index].lowerBound == 0) {
                result += replaced
            } else {
                result += word
            }
            words[index] = start..<result.count
        }
        bytes = result
    }

    enum Kind: Equatable {
        case word
        /// Runs of it are a word of their own.
        case other
        /// Each is a word of its own.
        case single
        case separator
    }

    mutating func splitByKind(_ kind: (UInt32) -> Kind) {
        splitWords { text, word, words in
            var start = word.lowerBound
            var index = start
            var running = Kind.separator
            while index < word.upperBound {
                let (scalar, length) = decodeScalar(text, at: index)
                let kind = kind(scalar)
                if kind != running || kind == .single {
                    if running != .separator, start < index { words.append(start..<index) }
                    start = index
                    running = kind
                }
                index += length
            }
            if running != .separator, start < word.upperBound { words.append(start..<word.upperBound) }
        }
    }
}

/// A step that cuts a text into words, which the model sees one by one.
enum PreTokenizer: Sendable, Equatable {
    enum Prepending: Sendable {
        case always, never
        /// Only where the whole text begins.
        case first
    }

    /// What becomes of a separator.
    enum Separator: Sendable {
        case isolated, removed, withPrevious, withNext
    }

    case words(WordScanner)
    /// Numbers apart from all else, each digit by itself or runs of them.
    case digits(individually: Bool)
    /// A space in front of words that have none, as GPT-2 has it.
    case spacePrefix
    /// SentencePiece's way: spaces are `replacement`, of which words begin with one.
    case metaspace(replacement: [UInt8], Prepending, splits: Bool)
    /// White space separates words, and each punctuation mark is one.
    case bert
    /// White space separates words.
    case whitespaceSplit
    /// `\w+|[^\w\s]+`
    case whitespace
    case punctuation
    case literal([UInt8], Separator)

    func apply(_ piece: inout PieceText) {
        switch self {
        case .words(let scanner): piece.splitWords(scanner.split)
        case .digits(let individually):
            piece.splitWords { text, word, words in Self.digits(text, word, individually, into: &words) }
        case .spacePrefix: piece.rewriteWords { word, _ in word.first == 0x20 ? nil : [0x20] + word }
        case .metaspace(let replacement, let prepending, let splits):
            Self.metaspace(&piece, replacement, prepending)
            if splits { PreTokenizer.literal(replacement, .withNext).apply(&piece) }
        case .bert:
            let table = ScalarClass.Table.shared
            piece.splitByKind { scalar in
                ScalarClass.of(scalar, table).contains(.space)
                    ? .separator : Self.isPunctuation(scalar) ? .single : .word
            }
        case .whitespaceSplit:
            let table = ScalarClass.Table.shared
            piece.splitByKind { ScalarClass.of($0, table).contains(.space) ? .separator : .word }
        case .whitespace:
            let table = ScalarClass.Table.shared
            piece.splitByKind { scalar in
                isWordCharacter(scalar) ? .word : ScalarClass.of(scalar, table).contains(.space) ? .separator : .other
            }
        case .punctuation: piece.splitByKind { Self.isPunctuation($0) ? .single : .word }
        case .literal(let separator, let behaviour):
            piece.splitWords { text, word, words in Self.split(text, word, separator, behaviour, into: &words) }
        }
    }

    /// All of ASCII that is neither letter, digit nor space, and `\p{P}`.
    private static func isPunctuation(_ scalar: UInt32) -> Bool {
        if scalar < 0x80 { return scalar > 0x20 && scalar < 0x7F && (scalar == 0x5F || !isWordCharacter(scalar)) }
        return ScalarClass.of(scalar, .shared).contains(.punctuation)
    }

    private static func metaspace(_ piece: inout PieceText, _ replacement: [UInt8], _ prepending: Prepending) {
        piece.rewriteWords { word, isStart in
            let replaced = Normalizer.replace(Array(word), [0x20], replacement)
            let prepends = prepending == .always || prepending == .first && isStart
            return prepends && !replaced.starts(with: replacement) ? replacement + replaced : replaced
        }
    }

    private static func split(
        _ text: UnsafeBufferPointer<UInt8>, _ word: Range<Int>, _ separator: [UInt8], _ behaviour: Separator,
        into words: inout [Range<Int>]
    ) {
        guard let first = separator.first else {
            words.append(word)
            return
        }
        var start = word.lowerBound
        func append(_ end: Int) {
            if start < end { words.append(start..<end) }
            start = end
        }
        var index = start
        while index + separator.count <= word.upperBound {
            guard text[index] == first, text[index..<index + separator.count].elementsEqual(separator) else {
                index += 1
                continue
            }
            let end = index + separator.count
            switch behaviour {
            case .isolated:
                append(index)
                append(end)
            case .removed:
                append(index)
                start = end
            case .withPrevious: append(end)
            case .withNext: append(index)
            }
            index = end
        }
        append(word.upperBound)
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
