import Contracts
import Core
import Tables

/// Fills in the inputs that a request leaves out, from the online store: `weather:temp` becomes `weather__temp`.
struct FeatureLookup: Sendable {
    private struct Item: Sendable {
        let reference: String
        let column: String
        /// The columns of a request that say which entity is meant.
        let joinKeys: [String]
    }

    private let items: [Item]
    private let features: any FeatureStore

    /// Nil when there is nothing to look up. Throws `invalid_argument` for a reference that is no input of the model or
    /// is not defined.
    init?(references: [String], inputs: [Field], features: (any FeatureStore)?) async throws {
        guard !references.isEmpty else { return nil }
        guard let features else {
            throw NestboxError.invalid(
                "`lookup` names features, and this server has no feature store",
                hint: "leave `lookup` out, or start one")
        }
        let definitions = try await features.definitions()
        items = try references.map { reference in
            let (viewName, feature) = try FeatureName.parse(reference)
            guard let view = definitions.featureViews.first(where: { $0.name == viewName }) else {
                throw NestboxError.notFound("feature view", viewName, among: definitions.featureViews.map(\.name))
            }
            guard view.features.contains(feature) else {
                throw NestboxError.notFound("feature of view `\(viewName)`", feature, among: view.features)
            }
            let column = FeatureName.column(view: viewName, feature: feature)
            guard inputs.contains(where: { $0.name == column }) else {
                throw NestboxError.invalid(
                    "`lookup` names `\(reference)`, and the model has no input `\(column)`",
                    hint: "its inputs are \(inputs.map(\.name).joined(separator: ", "))")
            }
            let joinKeys = view.entities.compactMap { name in definitions.entities.first { $0.name == name }?.joinKey }
            return Item(reference: reference, column: column, joinKeys: joinKeys)
        }
        self.features = features
    }

    /// The values of left-out inputs. A view whose join key is null, or unknown to the store, gives nulls.
    /// - Parameter at: when the values must have been known; nil for now.
    func find(_ rows: [[String: JSONValue]], at: Timestamp?, reader: RowReader) async throws -> FoundFeatures {
        var found: FoundFeatures = [:]
        let groups =
            rows.count < 256
            ? try self.groups(of: rows, reader)
            : try await ComputePool.shared.run { try self.groups(of: rows, reader) }
        for (missing, members) in groups {
            let request = OnlineFeatureRequest(
                features: missing.map { items[$0].reference }, entities: members.map(\.entity), at: at)
            let answer = try await features.lookup(request)
            guard answer.rows.count == members.count else {
                throw NestboxError(
                    .unavailable, "the feature store answered \(answer.rows.count) rows for \(members.count) entities")
            }
            for (member, row) in zip(members, answer.rows) {
                found[member.row] = Dictionary(
                    missing.map { (items[$0].column, row.values[items[$0].column] ?? .null) }, uniquingKeysWith: { $1 })
            }
        }
        return found
    }

    /// Rows that leave out the same inputs are asked for together: one call in practice.
    private func groups(
        of rows: [[String: JSONValue]], _ reader: RowReader
    ) throws -> [[Int]: [(row: Int, entity: [String: JSONValue])]] {
        var groups: [[Int]: [(row: Int, entity: [String: JSONValue])]] = [:]
        for (index, row) in rows.enumerated() {
            let missing = items.indices.filter { row[items[$0].column] == nil }
            guard !missing.isEmpty else { continue }
            var entity: [String: JSONValue] = [:]
            for item in missing.map({ items[$0] }) {
                for key in item.joinKeys {
                    guard let value = row[key] else {
                        throw NestboxError.invalid(
                            "row \(index): column `\(item.column)` is missing, and so is `\(key)`, by which it would be looked up",
                            hint: "give `\(key)` or `\(item.column)`; \(reader.inputsHint)")
                    }
                    entity[key] = value
                }
            }
            groups[missing, default: []].append((index, entity))
        }
        return groups
    }
}
