import Core

/// The query of a page's address: what the page's controls are set to. Its links and forms carry the rest of it along, so
/// that every view has an address of its own and works without script.
package struct PageQuery: Sendable {
    struct Field {
        var name: String
        var value: String
    }

    private(set) var fields: [Field]

    package init(_ fields: [(name: String, value: String)] = []) {
        self.fields = fields.map { Field(name: $0.name, value: $0.value) }
    }

    /// The first value of that name that is not empty.
    package subscript(name: String) -> String? { fields.first { $0.name == name && !$0.value.isEmpty }?.value }

    /// Every value of that name that is not empty, each once.
    package func all(_ name: String) -> [String] {
        var seen: Set<String> = []
        return fields.filter { $0.name == name && !$0.value.isEmpty && seen.insert($0.value).inserted }.map(\.value)
    }

    package func has(_ name: String, _ value: String = "1") -> Bool { self[name] == value }

    /// The same with another value; nil and empty remove it.
    package func with(_ name: String, _ value: String?) -> PageQuery { with(name, value.map { [$0] } ?? []) }

    package func with(_ name: String, _ values: [String]) -> PageQuery {
        var copy = without([name])
        copy.fields += values.filter { !$0.isEmpty }.map { Field(name: name, value: $0) }
        return copy
    }

    package func without(_ names: Set<String>) -> PageQuery {
        var copy = self
        copy.fields.removeAll { names.contains($0.name) }
        return copy
    }

    /// The address of a path with this query.
    package func address(_ path: String, anchor: String? = nil) -> String {
        let query = fields.filter { !$0.value.isEmpty }
            .map { "\(Format.encoded($0.name))=\(Format.encoded($0.value))" }.joined(separator: "&")
        return path + (query.isEmpty ? "" : "?\(query)") + (anchor.map { "#\($0)" } ?? "")
    }
}

/// An entry of a select, or a box to tick.
struct Choice {
    var value: String
    var label: String
    var isChosen: Bool

    init(_ value: String, _ label: String, _ isChosen: Bool) {
        self.value = value
        self.label = label
        self.isChosen = isChosen
    }
}

/// What is wrong with a filter, with the place marked in the filter itself.
struct FilterFault {
    var message: String
    var hint: String?
    var before: String
    var marked: String
    var after: String

    /// The position is read from the message, because the filter may have been read by a tracking server elsewhere; what
    /// says none has nothing marked.
    init(_ error: NestboxError, filter: String) {
        message = error.message
        hint = error.hint
        let scalars = Array(filter.unicodeScalars)
        // A message about the order has a position too, but not one in the filter.
        let position = error.message.prefixMatch(of: /Invalid filter, at position (\d+)/).flatMap { Int($0.1) }
        let index = max(0, min((position ?? .max) - 1, scalars.count))
        func text(_ part: ArraySlice<Unicode.Scalar>) -> String {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: part)
            return String(view)
        }
        // The word at the position is what the complaint is about.
        let isPlain = { (scalar: Unicode.Scalar) in
            scalar.properties.isAlphabetic || scalar.isASCII && "0123456789_".unicodeScalars.contains(scalar)
        }
        var end = index
        while end < scalars.count, end == index || isPlain(scalars[end]) && isPlain(scalars[index]) { end += 1 }
        before = text(scalars[..<index])
        marked = position == nil ? "" : index < end ? text(scalars[index..<end]) : " "
        after = text(scalars[end...])
    }
}
