import Contracts
import Core

/// One column of a run table: `metrics.auc`, `params.depth`, `tags.team` or an attribute such as `duration`.
package struct RunColumn: Sendable, Hashable {
    enum Kind: String, Sendable, CaseIterable { case attribute, metrics, params, tags }

    let kind: Kind
    let key: String

    init(_ kind: Kind, _ key: String) {
        self.kind = kind
        self.key = key
    }

    /// Nil for what names no column.
    package init?(_ id: String) {
        for kind in [Kind.metrics, .params, .tags] where id.hasPrefix(kind.rawValue + ".") {
            let key = String(id.dropFirst(kind.rawValue.count + 1))
            guard !key.isEmpty else { return nil }
            self.init(kind, key)
            return
        }
        guard Self.attributes.contains(where: { $0.key == id }) else { return nil }
        self.init(.attribute, id)
    }

    /// As in addresses.
    package var id: String { kind == .attribute ? key : "\(kind.rawValue).\(key)" }

    var label: String {
        kind == .attribute ? Self.attributes.first { $0.key == key }?.label ?? key : key
    }

    var isNumber: Bool { kind == .metrics || key == "duration" && kind == .attribute }
    var canSort: Bool { !(kind == .attribute && ["datasets", "models"].contains(key)) }

    static let attributes: [(key: String, label: String)] = [
        ("status", "Status"), ("start", "Started"), ("end", "Ended"), ("duration", "Duration"), ("user", "User"),
        ("id", "Run id"), ("datasets", "Datasets"), ("models", "Models made"),
    ]

    static let usual = ["status", "start", "duration"].map { RunColumn(.attribute, $0) }

    /// The exact value as text, for files; nil when the run has none.
    package func text(_ run: Run) -> String? {
        switch kind {
        case .metrics: return run.metric(key).map { "\($0)" }
        case .params: return run.params[key]
        case .tags: return run.tags[key]
        case .attribute:
            switch key {
            case "status": return run.status.rawValue
            case "start": return Format.iso(run.startTime)
            case "end": return run.endTime.map(Format.iso)
            case "duration": return run.endTime.map { "\($0.seconds(since: run.startTime))" }
            case "user": return run.user
            case "id": return run.id
            case "datasets": return run.inputs.map { "\($0.name) \($0.digest)" }.joined(separator: ", ")
            case "models": return run.modelOutputs.map(\.modelID).joined(separator: ", ")
            default: return nil
            }
        }
    }
}

/// How a run table is sorted. Child runs follow their parent, in the same order among themselves.
package struct RunOrdering: Sendable {
    package var key: String
    package var ascending: Bool

    package init(key: String, ascending: Bool) {
        self.key = key
        self.ascending = ascending
    }

    /// The clauses that ask a tracking store for the same order, so that it holds across pages of a long list too.
    package var clauses: [String] {
        let direction = ascending ? "ASC" : "DESC"
        for kind in ["metrics", "params", "tags"] where key.hasPrefix(kind + ".") {
            let name = key.dropFirst(kind.count + 1)
            guard !name.isEmpty else { return [] }
            let mark = name.contains("`") ? "\"" : "`"
            return ["\(kind).\(mark)\(name)\(mark) \(direction)"]
        }
        let attributes = [
            "name": "run_name", "status": "status", "end": "end_time", "user": "user_id", "id": "run_id",
            "duration": "duration",
        ]
        return ["attributes.\(attributes[key] ?? "start_time") \(direction)"]
    }

    /// - Parameters:
    ///   - sorts: whether to sort as well. Runs of a longer list keep the order of the list.
    ///   - nests: whether children follow their parents.
    package func nested(_ runs: [Run], sorts: Bool = true, nests: Bool = true) -> [(run: Run, isChild: Bool)] {
        let ids = Set(runs.map(\.id))
        let sorted = sorts ? self.sorted(runs) : runs
        guard nests else { return sorted.map { ($0, false) } }
        let children = Dictionary(
            grouping: sorted.filter { $0.parentID.map(ids.contains) ?? false && $0.parentID != $0.id }
        ) { $0.parentID ?? "" }
        var rows: [(Run, Bool)] = [], placed: Set<String> = []
        func place(_ root: Run) {
            var stack = [(root, false)]
            while let (run, isChild) = stack.popLast() {
                guard placed.insert(run.id).inserted else { continue }
                rows.append((run, isChild))
                for child in (children[run.id] ?? []).reversed() { stack.append((child, true)) }
            }
        }
        for run in sorted where !(run.parentID.map(ids.contains) ?? false) { place(run) }
        // Runs that name each other as parents still have a row.
        for run in sorted { place(run) }
        return rows
    }

    private func sorted(_ runs: [Run]) -> [Run] {
        let keyed = runs.map { ($0, number($0), text($0)) }
        return keyed.sorted { a, b in
            switch (a.1, b.1) {
            case (let x?, let y?) where x != y: return ascending ? x < y : x > y
            // Runs without the value come last whichever way the rest is sorted.
            case (_?, nil): return true
            case (nil, _?): return false
            default: break
            }
            if a.2 != b.2 { return a.2.isEmpty || b.2.isEmpty ? !a.2.isEmpty : (a.2 < b.2) == ascending }
            return a.0.startTime != b.0.startTime ? a.0.startTime > b.0.startTime : a.0.id < b.0.id
        }.map(\.0)
    }

    private func number(_ run: Run) -> Double? {
        if let column = RunColumn(key), column.kind != .attribute {
            if column.kind == .metrics { return run.metric(column.key).flatMap { $0.isNaN ? nil : $0 } }
            return column.text(run).flatMap(Double.init).flatMap { $0.isNaN ? nil : $0 }
        }
        switch key {
        case "duration": return run.endTime?.seconds(since: run.startTime)
        case "end": return run.endTime.map { Double($0.milliseconds) }
        case "name", "status", "user", "id": return nil
        default: return Double(run.startTime.milliseconds)
        }
    }

    private func text(_ run: Run) -> String {
        if key == "name" { return run.name }
        guard let column = RunColumn(key) else { return "" }
        switch column.kind {
        case .params, .tags: return column.text(run) ?? ""
        case .attribute: return ["status", "user", "id"].contains(key) ? column.text(run) ?? "" : ""
        case .metrics: return ""
        }
    }
}
