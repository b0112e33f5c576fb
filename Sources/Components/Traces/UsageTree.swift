import Core

/// Token usage and cost of a whole trace. Some libraries write the sum of a subtree on its parent: what an ancestor has
/// counted is not counted again below it. Source: `_aggregate_from_nodes` in mlflow/tracing/utils (3.17).
enum UsageTree {
    struct Node {
        var id: String
        var parent: String?
        var data: JSONValue?
    }

    /// In this order in the text that clients get.
    private static let tokens = ["input_tokens", "output_tokens", "total_tokens"]
    private static let cacheTokens = [
        "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation_input_tokens_above_1hr",
    ]
    private static let costs = ["input_cost", "output_cost", "total_cost"]

    /// `{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}`; nil when no span has any.
    static func usage(_ nodes: [Node]) -> String? {
        guard let counted = counted(nodes) else { return nil }
        var fields = tokens.map { key in (key, counted.reduce(0) { $0 &+ ($1[key]?.intValue ?? 0) }) }
        for key in cacheTokens where counted.contains(where: { $0[key] != nil }) {
            fields.append((key, counted.reduce(0) { $0 &+ ($1[key]?.intValue ?? 0) }))
        }
        return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    /// The same in dollars.
    static func cost(_ nodes: [Node]) -> String? {
        guard let counted = counted(nodes) else { return nil }
        let sums = costs.map { key in (key, counted.reduce(0) { $0 + ($1[key]?.doubleValue ?? 0) }) }
        guard sums.allSatisfy(\.1.isFinite) else { return nil }
        return "{" + sums.map { "\"\($0)\": \($1.description)" }.joined(separator: ", ") + "}"
    }

    private static func counted(_ nodes: [Node]) -> [JSONValue]? {
        let ids = Set(nodes.map(\.id))
        var children: [String: [Node]] = [:], stack: [(Node, Bool)] = []
        for node in nodes {
            if let parent = node.parent, parent != node.id, ids.contains(parent) {
                children[parent, default: []].append(node)
            } else {
                stack.append((node, false))
            }
        }
        var found: [JSONValue] = []
        // Spans that name each other as parents are reached from no root and are not counted, as in the original.
        while let (node, isCounted) = stack.popLast() {
            if let data = node.data, !isCounted { found.append(data) }
            for child in children[node.id] ?? [] { stack.append((child, isCounted || node.data != nil)) }
        }
        return found.isEmpty ? nil : found
    }
}
