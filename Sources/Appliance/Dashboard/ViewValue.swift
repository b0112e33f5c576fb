import Foundation
import Mustache

/// HTML or SVG that the dashboard itself made. Templates print it with three braces; everything else gets two.
package struct Markup: Sendable, MustacheCustomRenderable {
    package let text: String

    init(_ text: String) { self.text = text }

    package var renderText: String { text }
    package var isNull: Bool { false }
}

/// Turns a view (a struct of plain values) into what the template engine reads quickest: dictionaries by property name.
package enum ViewValue {
    static func make(_ value: Any) -> Any {
        switch value {
        case let markup as Markup: return markup
        case let text as String: return safe(text)
        case is Bool, is Int, is Int64, is Double: return value
        case let list as [Any]: return list.map(make)
        default: break
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional:
            // A nil must hide a property of the same name in an outer view, so it stays visible to the lookup as NSNull.
            return mirror.children.first.map { make($0.value) } ?? NSNull()
        case .struct:
            var object: [String: Any] = [:]
            for child in mirror.children { if let label = child.label { object[label] = make(child.value) } }
            return object
        default: return safe(String(describing: value))
        }
    }

    /// The template engine escapes by grapheme cluster, so a quote that forms one with a neighbour (a combining mark behind
    /// it, say) would pass unescaped and end an attribute. A zero-width space between keeps it on its own. Control characters
    /// have no place in HTML.
    package static func safe(_ text: String) -> String {
        let special: Set<Unicode.Scalar> = ["<", ">", "&", "\"", "'"]
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if let last = scalars.last, special.contains(last) || special.contains(scalar),
                !(last.isASCII && scalar.isASCII),
                String(String.UnicodeScalarView([last, scalar])).count == 1
            {
                scalars.append("\u{200B}")
            }
            let isControl = scalar.value < 0x20 && scalar != "\n" && scalar != "\t" || scalar.value == 0x7F
            scalars.append(isControl ? "\u{FFFD}" : scalar)
        }
        return String(scalars)
    }
}

/// Text inside SVG and HTML that is put together in code.
func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "<": out += "&lt;"
        case ">": out += "&gt;"
        case "&": out += "&amp;"
        case "\"": out += "&quot;"
        case "'": out += "&#39;"
        case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": out += "\u{FFFD}"
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}
