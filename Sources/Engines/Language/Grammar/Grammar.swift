import Core

/// What JSON an answer may be: compiled from a JSON schema, or any.
///
/// The language is the JSON that is valid under the schema and written in one way: strings with any escapes, numbers that a
/// double can hold, between tokens no more white space than is allowed, arrays and objects at most `deepest` levels deep.
/// Names that the schema declares come in any order (in the schema's when there are more than 64). What follows a grammar
/// never comes to a dead end: each prefix that is accepted can be completed.
public struct Grammar: Sendable {
    /// How deep values may lie inside each other.
    static let deepest = 64

    enum Node: Sendable {
        case choice([Int])
        case literal([UInt8])
        /// A string of which only the length is asked for, in code points.
        case text(least: Int, most: Int?)
        /// A string or number by one of the automata.
        case pattern(Int)
        case number(Int)
        case object(Object)
        case array(List)
    }

    struct Object: Sendable {
        var nodes: [Int]
        var required: [Bool]
        var keys: KeyTrie
        /// The values of other names; nil when there may be none.
        var additional: Int?
        var least = 0
        var most: Int?
        /// With the names in the order of the schema, because there are too many for a set of bits.
        var isOrdered: Bool

        /// As a set of bits.
        var requiredBits: UInt64 {
            required.prefix(64).enumerated().reduce(0) { $1.element ? $0 | 1 << UInt64($1.offset) : $0 }
        }
    }

    struct List: Sendable {
        var prefix: [Int]
        var items: Int?
        var least: Int
        var most: Int?

        func node(_ index: Int) -> Int? {
            if let most, index >= most { return nil }
            return index < prefix.count ? prefix[index] : items
        }

        /// From this count on, all counts are alike.
        var saturation: Int { max(prefix.count, least, most ?? 0) }
    }

    /// The declared names of an object, by their code points.
    struct KeyTrie: Sendable {
        struct Place: Sendable {
            var edges: [(code: UInt32, target: Int32)] = []
            var property: Int32 = -1
            /// The properties whose names begin with the path to here.
            var reach: [Int32] = []
        }

        var places: [Place] = [Place()]

        init(_ names: [String]) {
            for (index, name) in names.enumerated() {
                var at = 0
                places[0].reach.append(Int32(index))
                for scalar in name.unicodeScalars {
                    if let edge = places[at].edges.first(where: { $0.code == scalar.value }) {
                        at = Int(edge.target)
                    } else {
                        places[at].edges.append((scalar.value, Int32(places.count)))
                        at = places.count
                        places.append(Place())
                    }
                    places[at].reach.append(Int32(index))
                }
                places[at].property = Int32(index)
            }
        }
    }

    var nodes: [Node]
    var automata: [Automaton]
    /// How many levels a value of each node needs at least.
    var heights: [Int]
    var root: Int
    /// How many blanks and line ends may follow each other between tokens.
    let spaces: Int

    /// Any JSON value, or any object: what OpenAI calls JSON mode.
    public static func json(onlyObjects: Bool = true, spaces: Int = 20) throws -> Grammar {
        try Grammar(schema: onlyObjects ? ["type": "object"] : true, spaces: spaces)
    }

    /// Compiles a JSON schema (draft 2020-12, and what OpenAI's structured outputs use of it).
    ///
    /// - Parameters:
    ///   - undeclaredProperties: whether an object whose schema says nothing about `additionalProperties` may have
    ///     others than its `properties`, as the standard has it. Without, models write what was asked for.
    ///   - spaces: how many blanks and line ends may follow each other between tokens; 0 for compact JSON.
    /// - Throws: `invalid_argument` naming the place in the schema as a JSON pointer, for schemas that nothing fits and
    ///   for what is not supported.
    public init(schema: TemplateValue, undeclaredProperties: Bool = false, spaces: Int = 20) throws {
        self.spaces = min(max(spaces, 0), 200)
        var compiler = SchemaCompiler(schema, undeclaredProperties: undeclaredProperties)
        do {
            (nodes, automata, heights, root) = try compiler.compile()
        } catch let failure as SchemaFailure {
            throw failure.error
        }
    }
}

/// Why a schema makes no grammar.
struct SchemaFailure: Error {
    enum Kind { case impossible, unsupported, wrong }

    var kind: Kind
    var pointer: String
    var message: String
    var hint: String?

    var error: NestboxError {
        let place = pointer.isEmpty ? "at its root" : "at `\(pointer)`"
        return switch kind {
        case .impossible: .invalid("the JSON schema can be met by no value, \(place): \(message)", hint: hint)
        case .unsupported: .invalid("the JSON schema asks \(place) for what is not supported: \(message)", hint: hint)
        case .wrong: .invalid("the JSON schema is not well-formed \(place): \(message)", hint: hint)
        }
    }
}
