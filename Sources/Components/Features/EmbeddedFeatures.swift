import Contracts
import Core
import Storage
import Synchronization
import Tables

/// Feature definitions and the online store in SQLite and memory; joins over whatever `DatasetStore` is given.
package final class EmbeddedFeatures: FeatureStore {
    /// What lookups need, as it is in SQLite.
    struct State: Sendable {
        var definitions: FeatureDefinitions
        var online: [String: OnlineView]
    }

    let store: Store
    let datasets: any DatasetStore
    let ambient: Ambient
    /// Changes come one at a time, so that memory and SQLite agree.
    let changes = SerialQueue()
    private let loading = SerialQueue()
    private let current = Mutex<State?>(nil)

    package init(store: Store, datasets: any DatasetStore, ambient: Ambient) {
        self.store = store
        self.datasets = datasets
        self.ambient = ambient
    }

    /// Brings the online store to memory; without this call the first use does it.
    package func recover() async throws { _ = try await state() }

    package func definitions() async throws -> FeatureDefinitions { try await state().definitions }

    package func apply(_ definitions: FeatureDefinitions) async throws -> FeatureDefinitions {
        _ = try await state()
        return try await changes.run { try await self.applyAlone(definitions) }
    }

    package func trainingSet(_ request: TrainingSetRequest) async throws -> DatasetVersion {
        try Name.check(request.saveAs, what: "dataset")
        let definitions = try await definitions()
        let groups = try definitions.resolve(request.features)
        let spine = try await datasets.version(request.spine)
        let reference = DatasetReference(name: spine.dataset, version: spine.version)
        var sources: [JoinSource] = []
        for group in groups {
            sources.append(try await source(group.view, features: group.features, definitions))
        }
        let join = TrainingSetJoin(
            spine: try await datasets.table(reference, columns: nil), spineName: "dataset `\(reference)`",
            eventTime: request.eventTime, sources: sources)
        try Task.checkCancellation()
        let table = try await ComputePool.shared.run { try join.table(references: request.features) }
        let views = sources.map { "\($0.view.name) (\($0.version.dataset)@\($0.version.version))" }
        let origin = "point-in-time join of \(reference) with \(views.joined(separator: ", "))"
        return try await datasets.save(table, as: DatasetImport(name: request.saveAs, format: .csv, source: origin))
    }

    /// One view's table, at the version its reference names now.
    func source(_ view: FeatureView, features: [String], _ definitions: FeatureDefinitions) async throws -> JoinSource {
        let version = try await datasets.version(view.dataset)
        // A newer version of the dataset may have lost a column since the view was applied.
        try DefinitionCheck.check(view, definitions, against: version)
        let joinKeys = try DefinitionCheck.joinKeys(of: view, in: definitions)
        var columns = joinKeys.map { view.column(ofKey: $0) } + features
        if let time = view.eventTime { columns.append(time) }
        var seen: Set<String> = []
        let table = try await datasets.table(
            DatasetReference(name: version.dataset, version: version.version),
            columns: columns.filter { seen.insert($0).inserted })
        return JoinSource(view: view, joinKeys: joinKeys, features: features, version: version, table: table)
    }

    /// The state in memory, loaded on first use.
    func state() async throws -> State {
        if let state = current.withLock({ $0 }) { return state }
        return try await loading.run {
            if let state = self.current.withLock({ $0 }) { return state }
            let state = try await self.store.read { db in
                State(definitions: try FeatureRows.definitions(db), online: try FeatureRows.online(db))
            }
            self.current.withLock { $0 = state }
            return state
        }
    }

    func update(_ change: @Sendable (inout State) -> Void) {
        current.withLock { state in
            if var changed = state {
                state = nil  // so that the change is made in place, not on a copy of every row
                change(&changed)
                state = changed
            }
        }
    }

    private func applyAlone(_ new: FeatureDefinitions) async throws -> FeatureDefinitions {
        let old = try await state().definitions
        let merged = try DefinitionCheck.merge(old, new)
        try new.entities.forEach(DefinitionCheck.check)
        let entities = new.entities.filter { !old.entities.contains($0) }
        let changedNames = Set(new.featureViews.map(\.name))
        let changedEntities = Set(entities.map(\.name))
        // A view that stays the same is checked again when one of its entities changes.
        for view in merged.featureViews
        where changedNames.contains(view.name) || !changedEntities.isDisjoint(with: view.entities) {
            try DefinitionCheck.check(view, in: merged)
            let version: DatasetVersion
            do {
                version = try await datasets.version(view.dataset)
            } catch let error as NestboxError where error.code == .notFound {
                throw NestboxError(
                    .invalidArgument, "feature view `\(view.name)`: \(error.message)", hint: error.hint, cause: error)
            }
            try DefinitionCheck.check(view, merged, against: version)
        }
        let views = new.featureViews.filter { !old.featureViews.contains($0) }
        // What was materialized for another definition would answer with the wrong columns or keys.
        let stale = try old.featureViews.filter { view in
            guard let now = merged.featureViews.first(where: { $0.name == view.name }) else { return true }
            return try now != view
                || DefinitionCheck.joinKeys(of: now, in: merged) != DefinitionCheck.joinKeys(of: view, in: old)
        }.map(\.name)
        guard !entities.isEmpty || !views.isEmpty else { return merged }
        try await store.write { context in
            for entity in entities { try FeatureRows.save(entity, context.db) }
            for view in views { try FeatureRows.save(view, context.db) }
            for view in stale { try FeatureRows.removeOnline(view, context.db) }
            try context.record(
                "features.applied", "features/definitions",
                [
                    "entities": .array(entities.map { .string($0.name) }),
                    "feature_views": .array(views.map { .string($0.name) }),
                ])
        }
        update { state in
            state.definitions = merged
            for view in stale { state.online[view] = nil }
        }
        return merged
    }
}
