import Contracts
import Core

/// `/models`
package struct ModelsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var description: String
        var latest: String
        var aliases: [Badge]
        var updated: TimeText
    }

    package let template = "models"
    package let title = "Models"
    package let section = Section.models
    package let path = "/models"
    package let events = ["model", "model_version", "alias", "stage"]

    let rows: [Row]
    let next: String?
    let empty = Empty(
        "No registered model yet",
        "A recipe with register_as adds a version when its requirements are met. MLflow's register_model does too.",
        command: "nestbox train samples/flights/quick.yaml")

    package init(_ models: [RegisteredModel], next: String?, now: Timestamp) {
        rows = models.map { model in
            Row(
                name: model.name, href: Format.link("models", model.name), description: model.description,
                latest: model.latestVersion.map { "version \($0)" } ?? "no version",
                aliases: model.aliases.sorted { $0.key < $1.key }.map {
                    Badge("\($0.key) → \($0.value)", "live plain")
                },
                updated: TimeText(model.updatedAt, now: now))
        }
        self.next = next
    }
}

/// `/models/{name}`
package struct ModelPage: DashboardPage {
    struct Version {
        var number: String
        var href: String
        var lineageHref: String
        var semantic: String?
        var semanticReason: String?
        var aliases: [Badge]
        var stage: Badge?
        var run: String?
        var runHref: String?
        var deployments: [Pair]
        var description: String
        var by: String
        var created: TimeText
        var tags: [Pair]
    }

    struct Move {
        var what: String
        var reason: String?
        var actor: String
        var at: TimeText

        init(_ move: ModelTransition, now: Timestamp) {
            what = ModelPage.sentence(move)
            reason = move.reason.isEmpty ? nil : move.reason
            actor = Format.actor(move.actor)
            at = TimeText(move.at, now: now)
        }
    }

    package let template = "model"
    package let title: String
    package let section = Section.models
    package let path: String
    package let trail = [Crumb("Models", "/models")]
    package let events = ["model", "model_version", "alias", "stage", "deployment"]

    let description: String?
    let stats: [Stat]
    let versions: [Version]
    /// The rest of the versions, and of the history.
    let olderVersions: String?
    /// Where the form of semantic versions is sent to; nil where there is none to set.
    let semanticPath: String?
    let moves: [Move]
    let hasMoves: Bool
    let olderMoves: String?
    let tags: [Pair]
    let deployCommand: Empty?
    let empty = Empty(
        "No version yet", "The name is taken, and nothing is registered under it.",
        command: "nestbox train samples/flights/quick.yaml")

    package init(
        _ model: RegisteredModel, versions: Page<ModelVersion>, history: Page<ModelTransition>,
        deployments: [Deployment], now: Timestamp
    ) {
        title = model.name
        path = Format.link("models", model.name)
        description = model.description.isEmpty ? nil : model.description
        let mine = deployments.filter { $0.model == model.name }
        stats = [
            Stat("Latest version", model.latestVersion.map { "\($0)" } ?? "–"),
            Stat("Champion", model.aliases["champion"].map { "version \($0)" } ?? "none"),
            Stat("Deployments", Format.count(mine.count)), Stat("Created", Format.ago(model.createdAt, now: now)),
        ]
        self.versions = versions.items.map { version in
            Version(
                number: "\(version.version)", href: FileOwner(version).href,
                lineageHref: LineageView.lineage("model:\(version.name)/\(version.version)"),
                semantic: version.semantic?.description,
                semanticReason: version.tags[SemanticVersion.reasonTag],
                aliases: version.aliases.sorted().map { Badge($0, "live plain") },
                stage: version.stage == .none
                    ? nil : Badge(version.stage.rawValue, version.stage == .production ? "good plain" : "plain"),
                run: version.runID.map { Format.short($0, 9) }, runHref: version.runID.map { Format.link("runs", $0) },
                deployments: mine.filter { $0.version == version.version }.map {
                    Pair("", $0.name, href: Format.link("deployments", $0.name))
                },
                description: version.description, by: Format.actor(version.createdBy),
                created: TimeText(version.createdAt, now: now),
                tags: version.tags.filter { !Self.shownElsewhere.contains($0.key) }.sorted { $0.key < $1.key }.map {
                    Pair($0.key, Format.short($0.value, 60))
                })
        }
        let path = path
        semanticPath = versions.items.contains { $0.semantic != nil } ? path + "/semantic" : nil
        olderVersions = versions.nextPageToken.map { "\(path)?page=\(Format.encoded($0))" }
        olderMoves = history.nextPageToken.map { "\(path)?history=\(Format.encoded($0))#history" }
        moves = history.items.map { Move($0, now: now) }
        hasMoves = !moves.isEmpty
        tags = model.tags.sorted { $0.key < $1.key }.map { Pair($0.key, $0.value) }
        deployCommand =
            mine.isEmpty && model.latestVersion != nil
            ? Empty(
                "Not deployed", "Deploy a version, and it answers predictions under its name.",
                command: "nestbox deploy \(model.name)@\(model.aliases["champion"] != nil ? "champion" : "latest")")
            : nil
    }

    private static let shownElsewhere: Set = [SemanticVersion.tag, SemanticVersion.reasonTag]

    static func sentence(_ move: ModelTransition) -> String {
        switch move.kind {
        case .stage:
            let from = move.fromStage.map { $0 == .none ? "" : " from \($0.rawValue)" } ?? ""
            return "Version \(move.toVersion ?? move.fromVersion ?? 0) moved\(from) to \(move.label)"
        case .alias:
            switch (move.fromVersion, move.toVersion) {
            case (let from?, let to?): return "\(move.label) moved from version \(from) to version \(to)"
            case (nil, let to?): return "\(move.label) set to version \(to)"
            case (let from?, nil): return "\(move.label) removed from version \(from)"
            case (nil, nil): return "\(move.label) removed"
            }
        case .version:
            let stage = move.fromStage.map { $0 == .none ? "" : ", which was in \($0.rawValue)" } ?? ""
            return "Version \(move.fromVersion ?? 0) deleted\(stage)"
        case .model: return "An earlier model of this name deleted"
        }
    }
}
