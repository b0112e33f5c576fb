/// The syntax tree of a template: made once, read by every rendering.
final class TemplateNode: Sendable {
    indirect enum Kind: Sendable {
        case none
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case string([UInt8])
        case name(Int)
        case list([TemplateNode])
        case tuple([TemplateNode])
        case dict([(TemplateNode, TemplateNode)])
        case attribute(TemplateNode, String)
        case item(TemplateNode, TemplateNode)
        case slice(TemplateNode, TemplateNode?, TemplateNode?, TemplateNode?)
        case call(TemplateNode, Arguments)
        /// Without a value in filter blocks and block assignments.
        case filter(TemplateNode?, String, Arguments)
        case test(TemplateNode, String, Arguments)
        case not(TemplateNode)
        case negative(TemplateNode)
        case positive(TemplateNode)
        case binary(TemplateNode, Operator, TemplateNode)
        case concatenation([TemplateNode])
        case compare(TemplateNode, [(Comparison, TemplateNode)])
        case and(TemplateNode, TemplateNode)
        case or(TemplateNode, TemplateNode)
        case conditional(TemplateNode, then: TemplateNode, else: TemplateNode?)
    }

    enum Operator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case floorDivide = "//"
        case modulo = "%"
        case power = "**"
    }

    enum Comparison: String, Sendable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case `in`
        case notIn = "not in"
    }

    struct Arguments: Sendable {
        var positional: [TemplateNode] = []
        var keywords: [(String, TemplateNode)] = []
        /// `*values` and `**values`.
        var rest: TemplateNode?
        var keywordRest: TemplateNode?
    }

    let kind: Kind
    let at: TemplatePosition

    init(_ kind: Kind, _ at: TemplatePosition) {
        self.kind = kind
        self.at = at
    }
}

/// A statement of a template.
final class TemplateStatement: Sendable {
    indirect enum Kind: Sendable {
        case data([UInt8])
        case output(TemplateNode)
        case `if`([(TemplateNode, [TemplateStatement])], else: [TemplateStatement])
        case `for`(Loop)
        case set(Target, TemplateNode)
        case setBlock(Target, filter: TemplateNode?, [TemplateStatement])
        case macro(Macro)
        /// The macro is the body as `caller`.
        case callBlock(TemplateNode, Macro)
        case filterBlock(TemplateNode, [TemplateStatement])
        case with([(Target, TemplateNode)], [TemplateStatement])
        case scope([TemplateStatement])
        case `break`
        case `continue`
    }

    indirect enum Target: Sendable {
        case name(Int)
        case attribute(Int, String)
        case tuple([Target])
    }

    struct Loop: Sendable {
        var target: Target
        var values: TemplateNode
        var filter: TemplateNode?
        var body: [TemplateStatement]
        var otherwise: [TemplateStatement]
        var isRecursive: Bool
        /// Whether anything in it looks at `loop`.
        var usesLoop: Bool
    }

    struct Macro: Sendable {
        var name: String
        var nameSlot: Int
        var parameters: [(name: String, slot: Int, standard: TemplateNode?)]
        var body: [TemplateStatement]
        var usesVarargs: Bool
        var usesKwargs: Bool
        var usesCaller: Bool
    }

    let kind: Kind
    let at: TemplatePosition

    init(_ kind: Kind, _ at: TemplatePosition) {
        self.kind = kind
        self.at = at
    }
}

/// The names of a template's variables, as numbers.
struct TemplateNames: Sendable {
    private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]

    /// Names that every template knows.
    static let loop = 0, varargs = 1, kwargs = 2, caller = 3

    init() {
        for name in ["loop", "varargs", "kwargs", "caller"] { _ = number(name) }
    }

    mutating func number(_ name: String) -> Int {
        if let number = numbers[name] { return number }
        numbers[name] = names.count
        names.append(name)
        return names.count - 1
    }

    func existing(_ name: String) -> Int? { numbers[name] }
}
