import Core
import Foundation

/// A question about where something came from and what became of it.
package struct LineageRequest: Codable, Sendable, Hashable {
    package enum Direction: String, Codable, Sendable, CaseIterable {
        case both, upstream, downstream
    }

    /// `run:ID`, `dataset:NAME/VERSION`, `logged-model:ID`, `model:NAME/VERSION`, `deployment:NAME`; of a dataset that only a
    /// client knows, `external-dataset:NAME/DIGEST`. A version may also be `latest`, or be left out for that; a model's also
    /// an alias: `model:late@champion`.
    package var node: String
    package var direction: Direction
    /// How many steps away from the node.
    package var depth: Int
    /// How many nodes in all.
    package var limit: Int
    /// How many neighbours of one kind of each node, the newest ones.
    package var breadth: Int

    package static let depths = 1...32
    package static let limits = 1...1000
    package static let breadths = 1...500

    package init(
        node: String, direction: Direction = .both, depth: Int = 8, limit: Int = 200, breadth: Int = 50
    ) {
        self.node = node
        self.direction = direction
        self.depth = depth
        self.limit = limit
        self.breadth = breadth
    }
}

/// Something that data went into or came out of.
package struct LineageNode: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        case dataset
        /// What a client logged under a name and a digest that no dataset of this server has.
        case externalDataset = "external-dataset"
        case run
        case loggedModel = "logged-model"
        case modelVersion = "model"
        case deployment
    }

    package enum State: String, Codable, Sendable, CaseIterable {
        case present, deleted
        /// Something names it, and it is not there (any more).
        case missing
    }

    /// As in `LineageRequest.node`, with a version's number.
    package var id: String
    package var kind: Kind
    /// For people: `flights@3`, a run's name, `late@2`.
    package var name: String
    /// A line more: a run's status and experiment, a version's aliases.
    package var detail: String
    package var state: State
    /// When it was made; a deployment: when it got this version.
    package var at: Timestamp?
    /// Steps from the node that was asked for: negative upstream, positive downstream.
    package var distance: Int

    package init(
        id: String, kind: Kind, name: String, detail: String = "", state: State = .present, at: Timestamp? = nil,
        distance: Int = 0
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.detail = detail
        self.state = state
        self.at = at
        self.distance = distance
    }
}

/// `from` went into `to`.
package struct LineageEdge: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// A run read a dataset.
        case read
        /// A run made a logged model.
        case made
        /// A run used a logged model, to measure it for instance.
        case used
        /// A run is a part of another.
        case child
        /// A logged model, or what a run stored, became a version.
        case registered
        /// A version was made from a version.
        case copied
        /// A deployment answers with a version.
        case deployed
    }

    package var from: String
    package var to: String
    package var kind: Kind
    /// What for, as the client said: `training`.
    package var label: String

    package init(from: String, to: String, kind: Kind, label: String = "") {
        self.from = from
        self.to = to
        self.kind = kind
        self.label = label
    }
}

package struct LineageGraph: Codable, Sendable, Hashable {
    /// A place where there is more than is shown.
    package struct Cut: Codable, Sendable, Hashable {
        package enum Reason: String, Codable, Sendable, CaseIterable {
            case depth, breadth, limit
        }

        package var node: String
        package var direction: LineageRequest.Direction
        /// Which bound of the request was met.
        package var reason: Reason

        package init(node: String, direction: LineageRequest.Direction, reason: Reason) {
            self.node = node
            self.direction = direction
            self.reason = reason
        }
    }

    package var root: String
    package var direction: LineageRequest.Direction
    /// The root first, then by distance.
    package var nodes: [LineageNode]
    package var edges: [LineageEdge]
    /// Empty when this is everything.
    package var cuts: [Cut]

    package init(
        root: String, direction: LineageRequest.Direction, nodes: [LineageNode], edges: [LineageEdge], cuts: [Cut] = []
    ) {
        self.root = root
        self.direction = direction
        self.nodes = nodes
        self.edges = edges
        self.cuts = cuts
    }

    package func node(_ id: String) -> LineageNode? { nodes.first { $0.id == id } }
}

/// Which runs hang together with something.
package enum RunLink: Sendable, Hashable {
    case reading(dataset: String, digest: String)
    case using(model: String)
    case making(model: String)
    case children(of: String)
}

/// What versions of models may be made from.
package struct VersionOrigin: Sendable, Hashable {
    package var runID: String?
    package var modelID: String?
    /// The source itself, or a folder above it.
    package var sources: [String]

    package init(runID: String? = nil, modelID: String? = nil, sources: [String] = []) {
        self.runID = runID
        self.modelID = modelID
        self.sources = sources
    }
}

// What every store can answer by its searches; one that can do it faster does.

extension Tracking {
    package func runs(_ link: RunLink, limit: Int) async throws -> [Run] {
        switch link {
        case .reading(let dataset, let digest):
            guard let name = SearchFilter.quoted(dataset), let hash = SearchFilter.quoted(digest) else { return [] }
            // The filter is also true of a run with that name and that digest on two different inputs.
            return try await everywhere("datasets.name = \(name) AND datasets.digest = \(hash)", limit).filter {
                $0.inputs.contains { $0.name == dataset && $0.digest == digest }
            }
        case .children(let parent):
            guard let id = SearchFilter.quoted(parent) else { return [] }
            return try await everywhere("tags.`mlflow.parentRunId` = \(id)", limit)
        case .using(let id), .making(let id):
            // MLflow cannot search by models, but whoever measures one is noted on it.
            guard let models = self as? any LoggedModelStore else { return [] }
            let model = try await models.loggedModel(id: id, includingDeleted: true)
            var found: [Run] = []
            for run in Set(model.metrics.map(\.runID) + [model.sourceRunID].compactMap { $0 }).sorted() {
                do {
                    found.append(try await self.run(id: run))
                } catch let error as NestboxError where error.code == .notFound {
                    // It was removed for good; what it measured stays.
                }
            }
            let isMaker = link == .making(model: id)
            return Array(
                found.filter { run in
                    isMaker
                        ? run.modelOutputs.contains { $0.modelID == id } || model.sourceRunID == run.id
                        : run.modelInputs.contains(id)
                }.sorted { $0.startTime > $1.startTime }.prefix(limit))
        }
    }

    private func everywhere(_ filter: String, _ limit: Int) async throws -> [Run] {
        var ids: [String] = [], token: String?
        repeat {
            let page = try await experiments(view: .all, maxResults: 1000, pageToken: token)
            ids += page.items.map(\.id)
            token = page.nextPageToken
        } while token != nil
        guard !ids.isEmpty else { return [] }
        return try await runs(RunSearch(experimentIDs: ids, view: .all, filter: filter, maxResults: limit)).items
    }
}

extension LoggedModelStore {
    package func loggedModels(madeBy run: Run, limit: Int) async throws -> [LoggedModel] {
        guard let id = SearchFilter.quoted(run.id) else { return [] }
        return try await loggedModels(
            LoggedModelSearch(experimentIDs: [run.experimentID], filter: "source_run_id = \(id)", maxResults: limit)
        ).items
    }
}

extension ModelRegistry {
    package func versions(from origin: VersionOrigin, limit: Int) async throws -> [ModelVersion] {
        var filters = [origin.runID.flatMap(SearchFilter.quoted).map { "run_id = \($0)" }]
        for source in origin.sources {
            filters.append(SearchFilter.quoted(source).map { "source_path = \($0)" })
            filters.append(SearchFilter.quoted(source + "/%").map { "source_path LIKE \($0)" })
        }
        var found: [ModelVersion] = []
        for filter in filters.compactMap({ $0 }) {
            for version in try await searchVersions(ModelSearch(filter: filter, maxResults: limit)).items
            where !found.contains(where: { $0.name == version.name && $0.version == version.version }) {
                found.append(version)
            }
        }
        return Array(found.sorted { $0.createdAt > $1.createdAt }.prefix(limit))
    }
}

extension SearchFilter {
    /// A text as the language has it; nil for one that holds both kinds of quotes and cannot be written.
    package static func quoted(_ text: String) -> String? {
        if !text.contains("'") { return "'\(text)'" }
        return text.contains("\"") ? nil : "\"\(text)\""
    }
}
