import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    package func searchModels(_ search: ModelSearch) async throws -> Page<RegisteredModel> {
        try await page(of: search, .models) { try RegistryRows.models($0, in: $1) }
    }

    package func searchVersions(_ search: ModelSearch) async throws -> Page<ModelVersion> {
        try await page(of: search, .versions) { try RegistryRows.versions($0, in: $1) }
    }

    private func page<Item: Codable & Sendable>(
        of search: ModelSearch, _ target: RegistryQuery.Target,
        load: @escaping @Sendable ([Int64], Database) throws -> [Item]
    ) async throws -> Page<Item> {
        try RegistryRules.checkPageSize(search.maxResults, in: RegistryRules.searchPageSize)
        let query = try RegistryQuery(search, target)
        return try await store.read { db in
            let (ids, next) = try query.page(in: db)
            return Page(items: try load(ids, db), nextPageToken: next)
        }
    }
}

/// A search for models or versions as SQL. Tags are asked for model by model, so that no join multiplies rows.
struct RegistryQuery: Sendable {
    enum Target: Sendable { case models, versions }

    static let promptTag = "mlflow.prompt.is_prompt"

    private let target: Target
    private let clauses: [SearchFilter.Clause]
    private let findsPrompts: Bool
    private let terms: [SortTerm]
    private let limit: Int
    private let position: [SortValue]?
    private let identity: [String]

    init(_ search: ModelSearch, _ target: Target) throws {
        let vocabulary: SearchVocabulary = target == .models ? .registeredModels : .modelVersions
        let filter = try SearchFilter(search.filter, vocabulary)
        let asked = filter.clauses.first(where: Self.isPromptTag)
        let findsPrompts = asked.map(Self.asksForPrompts) ?? false
        // Where prompts are left out anyway, what a filter says of the tag is said already.
        clauses = findsPrompts ? filter.clauses : filter.clauses.filter { !Self.isPromptTag($0) }
        self.findsPrompts = findsPrompts
        self.target = target
        terms = Self.terms(try SearchOrder.parse(search.orderBy, vocabulary), target)
        limit = search.maxResults
        identity = ["\(target)", search.filter] + search.orderBy
        position = try Keyset.position(in: search.pageToken, search: identity, terms: terms.count)
    }

    private static func isPromptTag(_ clause: SearchFilter.Clause) -> Bool {
        clause.field == SearchField(.tag, promptTag)
    }

    private static func asksForPrompts(_ clause: SearchFilter.Clause) -> Bool {
        guard case .text(let text)? = clause.values.first else { return false }
        return switch clause.comparator {
        case .equal: text.lowercased() == "true"
        case .notEqual: text.lowercased() == "false"
        default: false
        }
    }

    /// Row numbers, and the token of the next page.
    func page(in db: Database) throws -> (ids: [Int64], next: String?) {
        var conditions = try clauses.map(condition)
        if !findsPrompts {
            conditions.append(
                "NOT EXISTS (SELECT 1 FROM \(literal: tagsOfThis) AND t.key = \(Self.promptTag) AND t.value = 'true')")
        }
        if let position { conditions.append("(\(literal: Keyset.after(position, in: terms)))") }
        let source: SQL =
            target == .models
            ? "registry_models m" : "registry_versions v JOIN registry_models m ON m.id = v.model_id"
        let statement: SQL = """
            SELECT \(sql: target == .models ? "m.id" : "v.id"),
            \(literal: terms.map(\.expression).joined(separator: ", ")) FROM \(literal: source)
            \(sql: conditions.isEmpty ? "" : "WHERE") \(literal: conditions.joined(separator: " AND "))
            ORDER BY \(literal: Keyset.order(terms)) LIMIT \(limit + 1)
            """
        let rows = try SQLRequest<Row>(literal: statement).fetchAll(db)
        var next: String?
        if rows.count > limit {
            let last = rows[limit - 1]
            next = try Keyset.token(
                after: (1..<last.count).map { SortValue(last[$0] as DatabaseValue) }, search: identity)
        }
        return (rows.prefix(limit).map { $0[0] }, next)
    }

    private var tagsOfThis: SQL {
        target == .models
            ? "registry_model_tags t WHERE t.model_id = m.id" : "registry_version_tags t WHERE t.version_id = v.id"
    }

    private func condition(_ clause: SearchFilter.Clause) throws -> SQL {
        let isTag = clause.field.entity == .tag
        let test = try clause.condition(on: isTag ? "t.value" : Self.column(clause.field.key, target))
        let values = test.values.map { value in
            switch value {
            case .text(let text): text.databaseValue
            case .integer(let number): number.databaseValue
            case .number(let number): number.databaseValue
            }
        }
        let condition = SQL(sql: test.sql, arguments: StatementArguments(values))
        guard isTag else { return condition }
        return """
            EXISTS (SELECT 1 FROM \(literal: tagsOfThis) AND t.key = \(clause.field.key) AND \(literal: condition))
            """
    }

    private static func terms(_ order: [SearchOrder], _ target: Target) -> [SortTerm] {
        func term(_ key: String, _ isAscending: Bool) -> SortTerm {
            SortTerm(SQL(sql: column(key, target)), isAscending: isAscending)
        }
        var keys = order.map { ($0.field.key, $0.isAscending) }
        if keys.isEmpty, target == .versions { keys = [("last_updated_timestamp", false)] }
        if !keys.contains(where: { $0.0 == "name" }) { keys.append(("name", true)) }
        if target == .versions, !keys.contains(where: { $0.0 == "version_number" }) {
            keys.append(("version_number", false))
        }
        return keys.map { term($0.0, $0.1) }
    }

    private static func column(_ attribute: String, _ target: Target) -> String {
        let table = target == .models ? "m." : "v."
        return switch attribute {
        case "name": "m.name"
        case "creation_timestamp": table + "created_at"
        case "last_updated_timestamp": table + "updated_at"
        case "version_number": "v.version"
        case "source_path": "v.source"
        default: table + attribute
        }
    }
}
