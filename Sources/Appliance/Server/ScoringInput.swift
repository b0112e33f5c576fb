import Contracts
import Core
import Foundation
import Tables

/// The request bodies of MLflow's scoring protocol as rows.
/// Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/ (accepted formats).
package enum ScoringInput {
    private static let formats = ["dataframe_split", "dataframe_records", "instances", "inputs"]

    package static func rows(_ body: JSONValue, signature: ModelSignature) throws -> [[String: JSONValue]] {
        let present = formats.filter { body[$0] != nil }
        guard present.count == 1, let format = present.first, let value = body[format] else {
            throw NestboxError.invalid(
                "the body must be an object with exactly one of " + formats.map { "`\($0)`" }.joined(separator: ", "),
                hint: #"for example {"dataframe_records": [{"column": value, …}]}"#)
        }
        switch (format, value) {
        case ("dataframe_split", _):
            guard let columns = value["columns"]?.arrayValue, let data = value["data"]?.arrayValue else {
                throw NestboxError.invalid("`dataframe_split` must have the arrays `columns` and `data`")
            }
            let names = try columns.map { column in
                guard let name = column.stringValue else {
                    throw NestboxError.invalid("`dataframe_split.columns` must be strings")
                }
                return name
            }
            return try positional(data, names: names, place: "dataframe_split.data")
        case ("dataframe_records", .array(let items)):
            return try DeploymentRoutes.objects(items, in: format)
        case ("instances", .array(let items)), ("inputs", .array(let items)):
            if case .object? = items.first { return try DeploymentRoutes.objects(items, in: format) }
            return try positional(items, names: signature.inputs.map(\.name), place: format)
        case ("inputs", .object(let columns)), ("instances", .object(let columns)):
            return try columnar(columns, place: format)
        default:
            throw NestboxError.invalid("`\(format)` must be an array, not \(value.kind)")
        }
    }

    /// Rows as arrays, with a value per name.
    private static func positional(_ items: [JSONValue], names: [String], place: String) throws -> [[String: JSONValue]]
    {
        guard Set(names).count == names.count else { throw NestboxError.invalid("`\(place)`: a column is named twice") }
        try PredictionLimits.check(rows: items.count, columns: names.count)
        return try items.enumerated().map { index, item in
            guard let values = item.arrayValue, values.count == names.count else {
                let found = item.arrayValue.map { "\($0.count) values" } ?? item.kind
                throw NestboxError.invalid(
                    "`\(place)[\(index)]` is \(found); expected an array of \(names.count) values",
                    hint: "the columns are, in this order: \(names.joined(separator: ", "))")
            }
            return Dictionary(zip(names, values), uniquingKeysWith: { $1 })
        }
    }

    /// Columns as arrays of one length; a single value is a column of one row.
    private static func columnar(_ columns: [String: JSONValue], place: String) throws -> [[String: JSONValue]] {
        let lists = columns.mapValues { $0.arrayValue ?? [$0] }
        let count = lists.values.first?.count ?? 0
        if let odd = lists.sorted(by: { $0.key < $1.key }).first(where: { $0.value.count != count }) {
            throw NestboxError.invalid(
                "`\(place).\(odd.key)` has \(odd.value.count) values; another column has \(count)")
        }
        try PredictionLimits.check(rows: count, columns: lists.count)
        return (0..<count).map { row in lists.mapValues { $0[row] } }
    }

    /// What CSV may take up, also when it is compressed: as much as the largest JSON body, and what its columns need.
    private static let limits: TableLimits = {
        var limits = TableLimits()
        limits.expandedBytes = Int64(DeploymentRoutes.bodyLimit)
        limits.memoryBytes = 4 * DeploymentRoutes.bodyLimit
        limits.hint = "send the rows in several requests"
        return limits
    }()

    /// CSV with a header, also compressed; each column is read as the type that the model wants.
    package static func rows(csv: Data, signature: ModelSignature) throws -> [[String: JSONValue]] {
        let types = Dictionary(signature.inputs.map { ($0.name, $0.type) }, uniquingKeysWith: { $1 })
        // Read once as it looks, then again with the model's types where that matters: what looks like a number may be a
        // category, and what looks like text is wrong where a number is wanted. Numbers are left to the model server to
        // judge, which takes 3.0 for a whole number and milliseconds for a time.
        var options = CSVOptions()
        options.limits = limits
        let fields = try CSVReader.read(bytes: csv, options: options).schema.fields
        let names = fields.map(\.name)
        options.schema = Schema(
            fields.map { field in
                guard let type = types[field.name], type == .string || field.type == .string else { return field }
                return Field(field.name, type)
            })
        let table = try CSVReader.read(bytes: csv, options: options)
        try PredictionLimits.check(rows: table.rowCount, columns: names.count)
        return (0..<table.rowCount).map { row in
            Dictionary(zip(names, table.columns).map { ($0, $1[row].json) }, uniquingKeysWith: { $1 })
        }
    }
}
