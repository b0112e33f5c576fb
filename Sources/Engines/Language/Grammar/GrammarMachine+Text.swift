// Strings, byte by byte. Automata and lengths are about code points; bytes of UTF-8 and escapes make them up. A byte is only
// taken when some code point that leads on begins so.

extension GrammarMachine {
    enum TextStep { case open, closed, dead }

    /// What a string is followed with.
    private struct Follower {
        let leadsOn: (ClosedRange<UInt32>) -> Bool
        let next: (UInt32, inout GrammarFrame) -> Bool
        let close: (inout GrammarFrame) -> Bool
    }

    func text(_ frame: inout GrammarFrame, _ byte: UInt8) -> TextStep {
        let current = frame
        if frame.kind == .text {
            return step(
                &frame, byte,
                Follower(
                    leadsOn: { _ in current.a != 0 },
                    next: { _, frame in
                        guard frame.a != 0 else { return false }
                        if frame.a > 0 { frame.a -= 1 }
                        frame.b = max(frame.b - 1, 0)
                        return true
                    }, close: { $0.b == 0 }))
        }
        let automaton = grammar.automata[Int(frame.node)]
        return step(
            &frame, byte,
            Follower(
                leadsOn: { automaton.leadsOn(current.a, $0) },
                next: { code, frame in
                    guard let next = automaton.next(frame.a, code) else { return false }
                    frame.a = next
                    return true
                }, close: { automaton.accepts[Int($0.a)] }))
    }

    /// A name of an object. Names that are declared have their own values, and come once.
    func key(_ frame: inout GrammarFrame, _ object: Grammar.Object, _ byte: UInt8, _ stack: Int32) -> TextStep {
        let before = frame
        let others = allowsOther(object, frame, stack)
        let reaches = { (place: Int32) in
            object.keys.places[Int(place)].reach.contains { self.allows(Int($0), object, before, stack) }
        }
        let follower = Follower(
            leadsOn: { range in
                others
                    || before.a >= 0
                        && object.keys.places[Int(before.a)].edges.contains {
                            range.contains($0.code) && reaches($0.target)
                        }
            },
            next: { code, frame in
                let edge = frame.a < 0 ? nil : object.keys.places[Int(frame.a)].edges.first { $0.code == code }
                if let edge, others || reaches(edge.target) {
                    frame.a = edge.target
                } else {
                    guard others else { return false }
                    frame.a = -1
                }
                return true
            },
            close: { frame in
                let property = frame.a < 0 ? -1 : object.keys.places[Int(frame.a)].property
                guard property < 0 ? others : self.allows(Int(property), object, before, stack) else { return false }
                self.count(&frame, object, property)
                return true
            })
        return step(&frame, byte, follower)
    }

    // MARK: - Characters

    /// What `GrammarFrame.decoding` holds of a character that has begun: its kind in the upper four bits.
    private enum Part {
        /// UTF-8: bytes in all (2 bits less one), bytes to come (2 bits), the code so far.
        static let bytes: UInt32 = 1
        static let escape: UInt32 = 2
        /// `\u`: digits so far and their value.
        static let hex: UInt32 = 3
        /// Behind the first half of a surrogate pair: its ten bits, then `\`, `u` and digits.
        static let halfway: UInt32 = 4
        static let halfwayEscape: UInt32 = 5
        static let low: UInt32 = 6
    }

    private func step(_ frame: inout GrammarFrame, _ byte: UInt8, _ follower: Follower) -> TextStep {
        let payload = frame.decoding & 0x0FFF_FFFF
        switch frame.decoding >> 28 {
        case 0: return plain(&frame, byte, follower)
        case Part.bytes: return continuation(&frame, byte, payload, follower)
        case Part.escape: return escape(&frame, byte, follower)
        case Part.hex: return hex(&frame, byte, payload, follower)
        case Part.halfway:
            guard byte == UInt8(ascii: "\\") else { return .dead }
            frame.decoding = Part.halfwayEscape << 28 | payload
            return .open
        case Part.halfwayEscape:
            guard byte == UInt8(ascii: "u") else { return .dead }
            frame.decoding = Part.low << 28 | payload << 16
            return .open
        default: return low(&frame, byte, payload, follower)
        }
    }

    private func take(_ frame: inout GrammarFrame, _ code: UInt32, _ follower: Follower) -> TextStep {
        frame.decoding = 0
        return follower.next(code, &frame) ? .open : .dead
    }

    private func plain(_ frame: inout GrammarFrame, _ byte: UInt8, _ follower: Follower) -> TextStep {
        switch byte {
        case UInt8(ascii: "\""): return follower.close(&frame) ? .closed : .dead
        case UInt8(ascii: "\\"):
            guard follower.leadsOn(0...0x10FFFF) else { return .dead }
            frame.decoding = Part.escape << 28
            return .open
        case 0x20..<0x80: return take(&frame, UInt32(byte), follower)
        case 0xC2...0xDF: return lead(&frame, UInt32(byte & 0x1F), 1, follower)
        case 0xE0...0xEF: return lead(&frame, UInt32(byte & 0x0F), 2, follower)
        case 0xF0...0xF4: return lead(&frame, UInt32(byte & 0x07), 3, follower)
        default: return .dead
        }
    }

    private func lead(_ frame: inout GrammarFrame, _ value: UInt32, _ rest: UInt32, _ follower: Follower) -> TextStep {
        guard let range = range(value, rest, of: rest), follower.leadsOn(range) else { return .dead }
        frame.decoding = Part.bytes << 28 | rest << 26 | rest << 24 | value
        return .open
    }

    /// The code points that a sequence of `all + 1` bytes can still become with `rest` bytes to come.
    private func range(_ value: UInt32, _ rest: UInt32, of all: UInt32) -> ClosedRange<UInt32>? {
        let least: UInt32 = all == 1 ? 0x80 : all == 2 ? 0x800 : 0x10000
        var low = max(value << (6 * rest), least)
        var high = min(value << (6 * rest) | (1 << (6 * rest) - 1), 0x10FFFF)
        // Surrogates are no characters.
        if 0xD800...0xDFFF ~= low { low = 0xE000 }
        if 0xD800...0xDFFF ~= high { high = 0xD7FF }
        return low <= high ? low...high : nil
    }

    private func continuation(
        _ frame: inout GrammarFrame, _ byte: UInt8, _ payload: UInt32, _ follower: Follower
    ) -> TextStep {
        guard byte & 0xC0 == 0x80 else { return .dead }
        let all = payload >> 26 & 3
        let rest = (payload >> 24 & 3) - 1
        let value = (payload & 0xFF_FFFF) << 6 | UInt32(byte & 0x3F)
        guard let range = range(value, rest, of: all), follower.leadsOn(range) else { return .dead }
        if rest == 0 { return take(&frame, value, follower) }
        frame.decoding = Part.bytes << 28 | all << 26 | rest << 24 | value
        return .open
    }

    private func escape(_ frame: inout GrammarFrame, _ byte: UInt8, _ follower: Follower) -> TextStep {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return take(&frame, UInt32(byte), follower)
        case UInt8(ascii: "b"): return take(&frame, 0x08, follower)
        case UInt8(ascii: "f"): return take(&frame, 0x0C, follower)
        case UInt8(ascii: "n"): return take(&frame, 0x0A, follower)
        case UInt8(ascii: "r"): return take(&frame, 0x0D, follower)
        case UInt8(ascii: "t"): return take(&frame, 0x09, follower)
        case UInt8(ascii: "u"):
            frame.decoding = Part.hex << 28
            return .open
        default: return .dead
        }
    }

    private func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - 0x30)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - 0x57)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - 0x37)
        default: nil
        }
    }

    private func hex(_ frame: inout GrammarFrame, _ byte: UInt8, _ payload: UInt32, _ follower: Follower) -> TextStep {
        guard let digit = digit(byte) else { return .dead }
        let count = payload >> 16 + 1
        let value = (payload & 0xFFFF) << 4 | digit
        let open = 4 * (4 - count)
        let (low, high) = (value << open, value << open | (1 << open - 1))
        // Before, inside and behind the surrogates.
        let isPlain =
            low < 0xD800 && follower.leadsOn(low...min(high, 0xD7FF))
            || high > 0xDFFF && follower.leadsOn(max(low, 0xE000)...high)
        let first = max(low, 0xD800)
        let last = min(high, 0xDBFF)
        let isPair =
            first <= last
            && follower.leadsOn((first - 0xD800) << 10 + 0x10000...(last - 0xD800) << 10 + 0x103FF)
        guard isPlain || isPair else { return .dead }
        if count < 4 {
            frame.decoding = Part.hex << 28 | count << 16 | value
            return .open
        }
        if isPlain { return take(&frame, value, follower) }
        frame.decoding = Part.halfway << 28 | value - 0xD800
        return .open
    }

    /// The second half of a surrogate pair: the first's ten bits, the count of digits, the digits.
    private func low(_ frame: inout GrammarFrame, _ byte: UInt8, _ payload: UInt32, _ follower: Follower) -> TextStep {
        guard let digit = digit(byte) else { return .dead }
        let upper = payload >> 16 & 0x3FF
        let digits = payload >> 26
        let value = (payload & 0xFFFF) << 4 | digit
        let open = 4 * (3 - digits)
        let first = max(value << open, 0xDC00)
        let last = min(value << open | (1 << open - 1), 0xDFFF)
        guard first <= last else { return .dead }
        let base = 0x10000 + upper << 10 - 0xDC00
        guard follower.leadsOn(base + first...base + last) else { return .dead }
        if digits == 3 { return take(&frame, base + value, follower) }
        frame.decoding = Part.low << 28 | (digits + 1) << 26 | upper << 16 | value
        return .open
    }
}
