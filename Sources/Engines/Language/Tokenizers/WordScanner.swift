/// The regular expressions by which byte-level tokenizers cut text into words, as scanners written out by hand.
/// Each branch names the alternative of the expression that it stands for; they are tried in the expression's order.
enum WordScanner: Sendable, Equatable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:
    /// Llama 3 with n = 3, Qwen 2 with n = 1.
    case llama3(digits: Int)

    /// Appends the words of `text` between `start` and `end` to `words`. Together they are the whole text.
    func split(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into words: inout [Range<Int>]) {
        let scan = Scan(text: UnsafeBufferPointer(rebasing: text[..<range.upperBound]))
        var start = range.lowerBound
        while start < range.upperBound {
            let end =
                switch self {
                case .gpt2: scan.gpt2(start)
                case .llama3(let digits): scan.llama3(start, digits)
                }
            words.append(start..<end)
            start = end
        }
    }
}

private struct Scan {
    let text: UnsafeBufferPointer<UInt8>
    let table = ScalarClass.Table.shared

    @inline(__always)
    private func at(_ index: Int) -> (kind: ScalarClass, next: Int) {
        guard index < text.count else { return (.space, index) }
        let (scalar, length) = decodeScalar(text, at: index)
        return (ScalarClass.of(scalar, table), index &+ length)
    }

    @inline(__always)
    private func run(_ start: Int, while holds: (ScalarClass) -> Bool) -> Int {
        var index = start
        while index < text.count {
            let (kind, next) = at(index)
            guard holds(kind) else { break }
            index = next
        }
        return index
    }

    func gpt2(_ start: Int) -> Int {
        if text[start] == 0x27, let end = contraction(start, ignoringCase: false) { return end }
        let first = text[start] == 0x20 && start + 1 < text.count ? start + 1 : start
        let kind = at(first).kind
        if kind.contains(.letter) { return run(first) { $0.contains(.letter) } }
        if kind.contains(.number) { return run(first) { $0.contains(.number) } }
        if !kind.contains(.space) { return run(first) { $0.isDisjoint(with: .word) } }
        return whitespace(start)
    }

    func llama3(_ start: Int, _ digits: Int) -> Int {
        if text[start] == 0x27, let end = contraction(start, ignoringCase: true) { return end }
        let (kind, next) = at(start)
        // [^\r\n\p{L}\p{N}]?\p{L}+
        if kind.contains(.letter) { return run(next) { $0.contains(.letter) } }
        if kind.contains(.number) {
            var end = next
            for _ in 1..<max(digits, 1) where end < text.count {
                let (kind, next) = at(end)
                guard kind.contains(.number) else { break }
                end = next
            }
            return end
        }
        if !isNewline(start), next < text.count, at(next).kind.contains(.letter) {
            return run(next) { $0.contains(.letter) }
        }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
        let first = text[start] == 0x20 ? next : start
        if first < text.count, at(first).kind.isDisjoint(with: .word) {
            var end = run(first) { $0.isDisjoint(with: .word) }
            while end < text.count, isNewline(end) { end += 1 }
            return end
        }
        // \s*[\r\n]+
        let end = run(start) { $0.contains(.space) }
        var last = end
        while last > start {
            if isNewline(last - 1) { return last }
            last -= 1
        }
        return whitespace(start, end)
    }

    @inline(__always)
    private func isNewline(_ index: Int) -> Bool { text[index] == 0x0A || text[index] == 0x0D }

    private func whitespace(_ start: Int) -> Int { whitespace(start, run(start) { $0.contains(.space) }) }

    /// `\s+(?!\S)|\s+`: before a word, the last of several spaces is left to it.
    private func whitespace(_ start: Int, _ end: Int) -> Int {
        guard end < text.count else { return end }
        var last = end - 1
        while last > start, text[last] & 0xC0 == 0x80 { last -= 1 }
        return last > start ? last : end
    }

    private func contraction(_ start: Int, ignoringCase: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < text.count else { return 0 }
            let byte = text[start + offset]
            return ignoringCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        switch (letter(1), letter(2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (0xC5, 0xBF) where ignoringCase:
            // U+017F is a lower-case s to an expression that ignores case.
            return start + 3
        default: return nil
        }
    }
}
