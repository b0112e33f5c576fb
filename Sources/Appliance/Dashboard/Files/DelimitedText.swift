import Foundation

/// The records of a CSV or TSV file for looking at: nothing is refused, rows may have any number of fields.
///
/// Quotes as in RFC 4180: a field that begins with one goes to the next single one, over commas and line ends; two of them
/// are one. A quote inside an unquoted field is itself.
package struct DelimitedText {
    package private(set) var records: [[String]] = []
    /// Whether there was more than `most` records.
    package private(set) var isCut = false

    /// - Parameters:
    ///   - isWhole: whether `text` is all of the file; of a part, the last record may be half and is left out.
    ///   - most: records that are read.
    package init(_ text: String, delimiter: UInt8, isWhole: Bool, atMost most: Int) {
        var bytes = Array(text.utf8)[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        var field: [UInt8] = [], record: [String] = [], isStarted = false
        var at = bytes.startIndex
        func endField() {
            record.append(String(decoding: field, as: UTF8.self))
            field.removeAll(keepingCapacity: true)
            isStarted = false
        }
        func endRecord() -> Bool {
            endField()
            // An empty line is no record.
            if record != [""] { records.append(record) }
            record = []
            return records.count < most
        }
        while at < bytes.endIndex {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\"") where !isStarted && field.isEmpty:
                isStarted = true
                at = Self.quoted(bytes, from: at, into: &field)
            case delimiter: endField()
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if byte == UInt8(ascii: "\r"), at < bytes.endIndex, bytes[at] == UInt8(ascii: "\n") { at += 1 }
                if !endRecord() {
                    isCut = at < bytes.endIndex || !isWhole
                    return
                }
            default: field.append(byte)
            }
        }
        if isWhole, isStarted || !field.isEmpty || !record.isEmpty { _ = endRecord() }
        isCut = !isWhole
    }

    /// Reads to the end of a quoted field; returns where the rest begins.
    private static func quoted(_ bytes: ArraySlice<UInt8>, from start: Int, into field: inout [UInt8]) -> Int {
        var at = start
        while at < bytes.endIndex {
            let byte = bytes[at]
            at += 1
            guard byte == UInt8(ascii: "\"") else {
                field.append(byte)
                continue
            }
            guard at < bytes.endIndex, bytes[at] == UInt8(ascii: "\"") else { return at }
            field.append(byte)
            at += 1
        }
        return at
    }

    /// The delimiter of a file of that name: tabs by name, else whichever of comma, semicolon and tab its first line has most of.
    static func delimiter(name: String, text: String) -> UInt8 {
        if name.lowercased().hasSuffix(".tsv") { return UInt8(ascii: "\t") }
        let line = text.utf8.prefix { $0 != UInt8(ascii: "\n") }
        let counts = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")].map { mark in
            (mark, line.count { $0 == mark })
        }
        return counts.max { $0.1 < $1.1 }.flatMap { $0.1 > 0 ? $0.0 : nil } ?? UInt8(ascii: ",")
    }
}
