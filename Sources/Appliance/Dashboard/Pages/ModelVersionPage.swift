import Contracts
import Core

/// What the page of a model version is made from.
package struct ModelVersionInputs: Sendable {
    package var version: ModelVersion
    package var run: Run?
    package var loggedModel: LoggedModel?
    package var deployments: [Deployment]
    /// What concerns this version, newest first.
    package var transitions: [ModelTransition]
    package var files: FileListing
    /// Whether its files are in this server's store.
    package var hasFilesHere: Bool

    package init(
        version: ModelVersion, run: Run?, loggedModel: LoggedModel?, deployments: [Deployment],
        transitions: [ModelTransition], files: FileListing, hasFilesHere: Bool
    ) {
        self.version = version
        self.run = run
        self.loggedModel = loggedModel
        self.deployments = deployments
        self.transitions = transitions
        self.files = files
        self.hasFilesHere = hasFilesHere
    }
}

/// `/models/{name}/versions/{version}`
package struct ModelVersionPage: DashboardPage {
    package let template = "model-version"
    package let title: String
    package let section = Section.models
    package let path: String
    package let trail: [Crumb]
    package let events = ["model_version", "alias", "stage", "deployment", "artifact"]

    let lineageHref: String
    let badges: [Badge]
    let description: String?
    var stats: [Stat]
    let source: [Pair]
    let deployments: [Pair]
    let hasDeployments: Bool
    let tags: [Pair]
    let moves: [ModelPage.Move]
    let hasMoves: Bool
    let tree: FileTree
    let hasFiles: Bool
    let filesHref: String
    let filesNote: String

    package init(_ input: ModelVersionInputs, now: Timestamp) {
        let version = input.version
        let owner = FileOwner(version)
        title = "\(version.name) version \(version.version)"
        path = owner.href
        trail = [Crumb("Models", "/models"), Crumb(version.name, Format.link("models", version.name))]
        lineageHref = LineageView.lineage("model:\(version.name)/\(version.version)")
        badges =
            version.aliases.sorted().map { Badge($0, "live plain") }
            + (version.stage == .none
                ? [] : [Badge(version.stage.rawValue, version.stage == .production ? "good plain" : "plain")])
        description = version.description.isEmpty ? nil : version.description
        stats = [
            Stat("Created", Format.ago(version.createdAt, now: now), Format.date(version.createdAt)),
            Stat("By", Format.actor(version.createdBy)),
            Stat("Deployments", Format.count(input.deployments.count)),
        ]
        if let semantic = version.semantic {
            stats.insert(Stat("Semantic version", semantic.description), at: 0)
        }
        source = Self.source(input)
        deployments = input.deployments.map { Pair("", $0.name, href: Format.link("deployments", $0.name)) }
        hasDeployments = !deployments.isEmpty
        tags = version.tags.sorted { $0.key < $1.key }.map { Pair($0.key, Format.short($0.value, 400)) }
        moves = input.transitions.map { ModelPage.Move($0, now: now) }
        hasMoves = !moves.isEmpty
        tree = FileTree(input.files, of: owner, current: "")
        hasFiles = !tree.rows.isEmpty
        filesHref = owner.page("")
        filesNote = input.hasFilesHere ? "No file is stored." : "The files are kept elsewhere."
    }

    private static func source(_ input: ModelVersionInputs) -> [Pair] {
        let version = input.version
        var pairs: [Pair] = []
        if let id = version.runID {
            pairs.append(Pair("Run", input.run?.name ?? Format.short(id, 9), href: Format.link("runs", id)))
        }
        if let id = version.modelID {
            pairs.append(
                Pair("Logged model", input.loggedModel?.name ?? Format.short(id, 11), href: LoggedModelView.href(id)))
        }
        pairs.append(Pair("Registered from", version.source))
        if version.artifactURI != version.source { pairs.append(Pair("Files at", version.artifactURI)) }
        return pairs
    }
}
