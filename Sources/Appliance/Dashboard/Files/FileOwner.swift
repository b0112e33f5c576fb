import Contracts

/// Who has the files: where the pages and the contents of its files are found.
package struct FileOwner: Sendable {
    /// `/runs/ab12`
    let href: String
    let name: String
    /// The way to it, itself included.
    let trail: [Crumb]
    let section: Section

    package init(_ run: Run, experiment: Experiment) {
        href = Format.link("runs", run.id)
        name = run.name
        trail = Self.trail(experiment) + [Crumb(run.name, href)]
        section = .experiments
    }

    package init(_ model: LoggedModel, experiment: Experiment) {
        href = LoggedModelView.href(model.id)
        name = model.name
        trail =
            Self.trail(experiment) + [
                Crumb("Logged models", Format.link("experiments", experiment.id, "models")), Crumb(model.name, href),
            ]
        section = .experiments
    }

    package init(_ version: ModelVersion) {
        href = Format.link("models", version.name, "versions", "\(version.version)")
        name = "\(version.name) version \(version.version)"
        trail = [
            Crumb("Models", "/models"), Crumb(version.name, Format.link("models", version.name)),
            Crumb("version \(version.version)", href),
        ]
        section = .models
    }

    static func trail(_ experiment: Experiment) -> [Crumb] {
        [Crumb("Experiments", "/experiments"), Crumb(experiment.name, Format.link("experiments", experiment.id))]
    }

    /// The page of a file or folder.
    func page(_ path: String) -> String { href + "/files" + Self.encoded(path) }
    /// Its contents, as a download.
    func contents(_ path: String) -> String { href + "/artifacts" + Self.encoded(path) }

    private static func encoded(_ path: String) -> String {
        path.split(separator: "/").map { "/" + Format.encoded(String($0)) }.joined()
    }
}
