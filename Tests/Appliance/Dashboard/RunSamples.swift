import Contracts
import Core
import Dashboard
import Foundation

/// A run with everything that its page shows.
extension Samples {
    var runInputs: RunInputs {
        var shown = runs[1]
        let keys = ["train_log_loss", dress("validation_log_loss"), dress("note/train")]
        shown.metrics += keys.map { MetricPoint(key: $0, value: 0.5, timestamp: now, step: 99) }
        let curves = [
            MetricCurve(history("a", 0.69, 0.44), atMost: 500), MetricCurve(history("b", 0.69, 0.47), atMost: 500),
            MetricCurve(history("c", 1, 2, 4000), atMost: 100),
        ]
        var inputs = RunInputs(
            run: shown, experiment: experiment,
            curves: RunCurves(
                families: MetricFamily.all(shown.metrics, find: ""),
                curves: Dictionary(uniqueKeysWithValues: zip(keys, curves)), next: 24, total: 100),
            environment: environment(of: shown),
            files: listing,
            importance: (0..<24).map { (dress("feature_\($0)"), 0.2 / Double($0 + 1)) },
            children: runs.filter { $0.parentID == shown.id }, parent: run(7), versions: [modelVersion(2)])
        inputs.previous = run(7)
        inputs.loggedModels = [loggedModel]
        inputs.childrenAreCut = true
        return inputs
    }

    var listing: FileListing {
        FileListing(
            folders: [
                "": [
                    ArtifactEntry(path: dress("model"), isDirectory: true),
                    ArtifactEntry(path: "feature_importance.json", isDirectory: false, size: 900, digest: "01"),
                ],
                dress("model"): [
                    ArtifactEntry(path: dress("model") + "/" + dress("model.json"), isDirectory: false, size: 412_000)
                ],
            ], isComplete: true)
    }

    var owner: FileOwner { FileOwner(runs[1], experiment: experiment) }

    func shown(_ name: String, _ text: String, size: Int64? = nil) -> FilesPage {
        let head = Data(text.utf8)
        let entry = ArtifactEntry(
            path: dress("model") + "/" + dress("x") + name, isDirectory: false, size: size ?? Int64(head.count),
            digest: "ab")
        return FilesPage(owner, listing: listing, shown: .file(entry, head: head))
    }

    var filePages: [(name: String, page: any DashboardPage)] {
        [
            ("files", FilesPage(owner, listing: listing, shown: .folder(path: ""))),
            ("files-text", shown(".txt", dress("hello") + "\n<b>not bold</b>", size: 9_000_000)),
            ("files-json", shown(".json", "{\"a\": [1, 2.50, {}], \"b\": \"\(dress("x"))\"}")),
            ("files-csv", shown(".csv", "name,\(dress("n"))\n\"a, \"\"b\"\"\",\(dress("2"))\n3,4,5\n")),
            (
                "files-markdown",
                shown(".md", "# Card\n\(dress("*hello*"))\n\n| a | b |\n|---|--:|\n| 1 | \(dress("2")) |\n")
            ),
            ("files-patch", shown(".patch", "@@ -1 +1 @@\n-\(dress("old"))\n+\(dress("new"))\n")),
            ("files-html", shown(".html", "<script>alert(1)</script>" + dress("x"))),
            ("files-binary", shown(".bin", "PAR1\0" + dress("x"))),
            ("files-elsewhere", FilesPage(owner, listing: .none, shown: .elsewhere(uri: dress("s3://bucket/x")))),
        ]
    }

    /// Charts by time, smoothed, of some metrics.
    var narrowed: RunChartQuery {
        let fields = ["x": "time", "smooth": "0.9", "from": "10", "to": "9", "find": dress("log"), "charts": "24"]
        return RunChartQuery { fields[$0] }
    }

    func environment(of run: Run) -> RunEnvironment {
        func file(_ path: String, _ name: String) -> RunEnvironment.File {
            .init(path: dress(path), uri: "\(run.artifactURI)/environment/\(name)", bytes: 4_210, digest: "ab12")
        }
        var environment = RunEnvironment(origin: .captured)
        environment.capturedAt = ago(3600)
        environment.nestbox = "0.1"
        environment.command = ["python", dress("train.py"), "--note", dress("it's late"), RunEnvironment.redacted]
        environment.directory = dress("/home/ada/flights")
        environment.code = .init(
            commit: "65c0f88d1f9c3f6d0f2a4c5b6e7d8c9b0a1f2e3d", branch: dress("main"),
            remote: dress("https://example.org/flights.git"), directory: "", isDirty: true,
            diff: file("diff.patch", "diff.patch"), leftOut: [dress("data/huge.bin: larger than 1 MB")])
        environment.python = dress("3.12.3")
        environment.packages = file("requirements.txt", "packages.txt")
        environment.files = [file("uv.lock", "files/uv.lock")]
        environment.variables = ["CUDA_VISIBLE_DEVICES": dress("0")]
        environment.seeds = ["PYTHONHASHSEED": dress("3")]
        environment.threads = 2
        environment.machine = .init(
            host: dress("nest"), system: dress("Debian 13"), architecture: "x86_64", cpu: dress("a processor"),
            cores: 2,
            memory: 8_000_000_000, accelerators: [dress("an accelerator")])
        environment.data = [
            .init(name: dress("flights"), version: 3, digest: "a1b2c3d4e5f6a7b8c9"),
            .init(name: dress("weather"), digest: dress("a1b2")),
        ]
        environment.job = .init(id: "7", kind: "train", attempt: 1, recipe: .object([:]))
        environment.notes = [dress("the patch was cut off")]
        return environment
    }

    var runDiff: RunDiff {
        let a = runs[1], b = runs[2]
        var other = environment(of: b)
        other.python = dress("3.13.0")
        other.code?.commit = "e19162e"
        other.data[0].version = 4
        return RunDiff(
            RunFacts(run: a, environment: environment(of: a), packages: dress("numpy==2.1") + "\n"),
            RunFacts(run: b, environment: other, packages: "numpy==2.2\n"))
    }
}
