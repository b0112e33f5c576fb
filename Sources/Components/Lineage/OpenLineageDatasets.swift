import Contracts
import Core
import Foundation

/// Things of this house, and what clients read from elsewhere, as OpenLineage's datasets. A dataset there is what lasts, so
/// versions of one thing have one name and a facet that says which.
struct OpenLineageDatasets {
    /// What data went in as, or came out as.
    enum Role { case input, output, fact }

    let event: OpenLineageEvent
    let namespace: String

    func dataset(_ version: DatasetVersion, _ role: Role) -> JSONValue {
        let fields = version.schema.fields.map { field -> JSONValue in
            ["name": .string(field.name), "type": .string(field.type.rawValue)]
        }
        return described(
            name: "datasets/\(version.dataset)", version: "\(version.version)", type: "TABLE",
            uri: Self.uri("nestbox", "datasets", version.dataset, "\(version.version)"), fields: fields,
            statistics: ["rowCount": .int(Int64(version.rowCount)), "size": .int(version.byteCount)], role)
    }

    func dataset(_ input: RunInput, _ role: Role) -> JSONValue {
        let place = Self.place(input)
        var statistics: [String: JSONValue] = [:]
        if let profile = input.profile.flatMap({ try? JSON.decode(JSONValue.self, from: $0) }),
            let rows = profile["num_rows"]?.intValue
        {
            statistics["rowCount"] = .int(Int64(rows))
        }
        return described(
            namespace: place?.namespace, name: place?.name ?? "external/\(input.name)", version: input.digest,
            type: nil, source: input.sourceType, uri: place?.uri, fields: Self.fields(input), statistics: statistics,
            role)
    }

    func dataset(_ model: LoggedModel, experiment: String, _ role: Role) -> JSONValue {
        described(
            name: "logged-models/\(experiment)/\(model.name)", version: model.id, type: "MODEL",
            uri: "models:/\(model.id)", role)
    }

    func dataset(_ version: ModelVersion, _ role: Role) -> JSONValue {
        described(
            name: "models/\(version.name)", version: "\(version.version)", type: "MODEL",
            uri: Self.uri("nestbox", "models", version.name, "\(version.version)"), role)
    }

    func dataset(deployment name: String, version: String?, isGone: Bool = false, _ role: Role) -> JSONValue {
        described(
            name: "deployments/\(name)", version: version, type: "MODEL", subType: "DEPLOYMENT",
            uri: Self.uri("nestbox", "deployments", name), isGone: isGone, role)
    }

    // MARK: parts

    private func described(
        namespace: String? = nil, name: String, version: String?, type: String?, subType: String? = nil,
        source: String = "nestbox", uri: String?, fields: [JSONValue] = [], statistics: [String: JSONValue] = [:],
        isGone: Bool = false, _ role: Role
    ) -> JSONValue {
        var facets: [String: JSONValue] = [:]
        if let version { facets["version"] = event.facet(.version, ["datasetVersion": .string(version)]) }
        var place: [String: JSONValue] = ["name": .string(source)]
        place["uri"] = uri.map { .string($0) }
        facets["dataSource"] = event.facet(.dataSource, place)
        if let type {
            var content: [String: JSONValue] = ["datasetType": .string(type)]
            content["subType"] = subType.map { .string($0) }
            facets["datasetType"] = event.facet(.datasetType, content)
        }
        if !fields.isEmpty { facets["schema"] = event.facet(.schema, ["fields": .array(fields)]) }
        if isGone { facets["lifecycleStateChange"] = event.facet(.lifecycle, ["lifecycleStateChange": "DROP"]) }
        var dataset: [String: JSONValue] = [
            "namespace": .string(namespace ?? self.namespace), "name": .string(name), "facets": .object(facets),
        ]
        if role == .input, !statistics.isEmpty {
            dataset["inputFacets"] = ["inputStatistics": event.facet(.inputStatistics, statistics)]
        }
        return .object(dataset)
    }

    /// The columns of a client's dataset; of tensors, those that have a name.
    private static func fields(_ input: RunInput) -> [JSONValue] {
        guard let schema = input.schema.flatMap({ try? JSON.decode(JSONValue.self, from: $0) }),
            let columns = schema["mlflow_colspec"]?.arrayValue
        else { return [] }
        return columns.compactMap { column in
            guard let name = column["name"]?.stringValue else { return nil }
            return ["name": .string(name), "type": .string(column["type"]?.stringValue ?? "unknown")]
        }
    }

    /// Where a client read from, by OpenLineage's rules for names, so that it is the same dataset that other programs tell of.
    /// Without user, password and query: they may be secrets.
    static func place(_ input: RunInput) -> (namespace: String, name: String, uri: String)? {
        guard let source = try? JSON.decode(JSONValue.self, from: input.source),
            let address = ["uri", "url", "path"].compactMap({ source[$0]?.stringValue }).first
        else { return nil }
        if address.hasPrefix("/") {
            return (
                "file", address,
                "file://" + (address.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? "")
            )
        }
        guard var parts = URLComponents(string: address), let scheme = parts.scheme, let host = parts.host,
            !host.isEmpty,
            parts.path.count > 1
        else { return nil }
        (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
        guard let uri = parts.string else { return nil }
        // Keys of object stores have no slash before them, paths have.
        let isStore = ["s3", "s3a", "s3n", "gs", "gcs"].contains(scheme.lowercased())
        let family = scheme.lowercased().hasPrefix("s3") ? "s3" : scheme.lowercased()
        let port = parts.port.map { ":\($0)" } ?? ""
        return ("\(family)://\(host)\(port)", isStore ? String(parts.path.dropFirst()) : parts.path, uri)
    }

    private static func uri(_ scheme: String, _ parts: String...) -> String {
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return scheme + "://"
            + parts.map { $0.addingPercentEncoding(withAllowedCharacters: allowed) ?? "" }.joined(separator: "/")
    }
}
