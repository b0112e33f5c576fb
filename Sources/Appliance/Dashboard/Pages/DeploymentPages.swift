import Contracts
import Core

/// `/deployments`
package struct DeploymentsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var model: String
        var modelHref: String
        var rate: String
        var p50: String
        var p99: String
        var rows: String
        var errors: String
        var alerts: Badge
        var updated: TimeText
    }

    package let template = "deployments"
    package let title = "Deployments"
    package let section = Section.deployments
    package let path = "/deployments"
    package let events = ["deployment", "alert"]

    let rows: [Row]
    let empty = Empty(
        "Nothing is deployed",
        "A deployment is a name that answers with one model version. Moving it to another version takes no pause.",
        command: "nestbox deploy flights-quick@1")

    package init(
        _ deployments: [(deployment: Deployment, statistics: ServingStatistics)], openAlerts: [DriftAlert],
        now: Timestamp
    ) {
        rows = deployments.map { deployment, statistics in
            let alerts = openAlerts.filter { $0.deployment == deployment.name }.count
            return Row(
                name: deployment.name, href: Format.link("deployments", deployment.name),
                model: "\(deployment.model) · version \(deployment.version)",
                modelHref: Format.link("models", deployment.model),
                rate: Format.number(statistics.requestRate, digits: 3),
                p50: Format.latency(statistics.latencyP50), p99: Format.latency(statistics.latencyP99),
                rows: Format.count(statistics.rows),
                errors: Format.count(statistics.errors),
                alerts: alerts == 0 ? Badge("no drift", "good") : Badge(Format.counted(alerts, "alert"), "bad"),
                updated: TimeText(deployment.updatedAt, now: now))
        }
    }
}

/// The part of a deployment's page that is asked for every two seconds.
package struct TrafficView: Sendable {
    struct Logged {
        var id: String
        var row: String?
        var output: String
        var version: String
        var inputs: String
        var at: TimeText
    }

    let stats: [Stat]
    let rate: Markup
    let predictions: [Logged]
    let hasPredictions: Bool
    let noPredictions: Empty
    let dropped: String?

    package init(
        _ deployment: Deployment, statistics: ServingStatistics, predictions: [LoggedPrediction], now: Timestamp
    ) {
        let rateText = Format.number(statistics.requestRate, digits: 3)
        stats = [
            Stat("Requests per second", rateText, "over 10 s"),
            Stat("Median latency", Format.latency(statistics.latencyP50)),
            Stat("99th percentile", Format.latency(statistics.latencyP99)),
            Stat("Rows", Format.count(statistics.rows), "in \(Format.counted(statistics.requests, "request"))"),
            Stat("Errors", Format.count(statistics.errors)),
        ]
        rate = Sparkline.rate(
            statistics.perSecond, label: "Requests in each of the last 60 seconds; now \(rateText) per second",
            width: 760)
        self.predictions = predictions.map { logged in
            let inputs = logged.inputs.sorted { $0.key < $1.key }.map { "\($0.key)=\(Format.json($0.value))" }.joined(
                separator: ", ")
            return Logged(
                id: logged.id, row: logged.row == 0 ? nil : "row \(logged.row)", output: Format.number(logged.output),
                version: "\(logged.version)",
                inputs: Format.short(inputs, 1200), at: TimeText(logged.at, now: now))
        }
        hasPredictions = !predictions.isEmpty
        noPredictions = Empty(
            "No prediction yet", "Ask above, or from a shell; every answer has an id and is logged with its inputs.",
            command: "nestbox predict \(deployment.name) key=value …")
        dropped =
            statistics.logDropped > 0
            ? "\(Format.counted(statistics.logDropped, "row")) could not be logged in time." : nil
    }
}

/// What the form of a deployment's page brought back.
package enum TryOutcome: Sendable {
    case notTried
    case answered(Prediction)
    case failed(NestboxError)
}

/// `/deployments/{name}`
package struct DeploymentPage: DashboardPage {
    struct Input {
        var label: String
        var name: String
        var value: String
        var hint: String
        var hasChoices: Bool
        var choices: [Choice]
    }

    struct Choice {
        var value: String
        var isChosen: Bool
    }

    struct SignatureRow {
        var name: String
        var type: String
        var values: String
        var source: String
    }

    struct Answer {
        var value: String
        var what: String
        var id: String
    }

    package let template = "deployment"
    package let title: String
    package let section = Section.deployments
    package let path: String
    package let trail = [Crumb("Deployments", "/deployments")]
    package let events = ["deployment"]

    let model: String
    let modelHref: String
    let version: String
    let updated: TimeText
    let by: String
    let traffic: TrafficView
    let trafficPath: String
    let tryPath: String
    let inputs: [Input]
    let hasInputs: Bool
    let signature: [SignatureRow]
    let target: String
    let task: String
    let answer: Answer?
    let failure: String?
    let failureHint: String?
    let driftHref: String
    let lineageHref: String
    let curl: String
    let signatureFailure: String?

    /// Longer lists of categories become a text field.
    static let choiceLimit = 60

    /// - Parameter signature: nil with the reason in `signatureFailure` when the model could not be loaded.
    /// - Parameter keys: join keys by which features are looked up, where they are not inputs themselves.
    /// - Parameter entered: what the form was sent with, or what it should start with.
    /// - Parameter at: the event time that the form was sent with.
    package init(
        _ deployment: Deployment, signature: ModelSignature?, signatureFailure: String? = nil, traffic: TrafficView,
        keys: [String] = [],
        entered: [String: String], at: String = "",
        outcome: TryOutcome, now: Timestamp
    ) {
        title = deployment.name
        path = Format.link("deployments", deployment.name)
        model = deployment.model
        modelHref = Format.link("models", deployment.model)
        version = "\(deployment.version)"
        updated = TimeText(deployment.updatedAt, now: now)
        by = deployment.updatedBy
        self.traffic = traffic
        trafficPath = path + "/traffic"
        tryPath = path + "/try"
        driftHref = Format.link("monitoring", deployment.name)
        lineageHref = LineageView.lineage("deployment:\(deployment.name)")
        self.signatureFailure = signatureFailure
        target = signature?.target ?? "–"
        task = signature?.task == .binary ? "probability" : "value"
        let looked = Dictionary(
            deployment.lookup.compactMap { reference in
                (try? FeatureName.parse(reference)).map {
                    (FeatureName.column(view: $0.view, feature: $0.feature), reference)
                }
            },
            uniquingKeysWith: { first, _ in first })
        let all = signature?.inputs ?? []
        inputs =
            keys.map {
                Input(
                    label: "\($0) (key)", name: "in.\($0)", value: entered[$0] ?? "", hint: "for what is looked up",
                    hasChoices: false, choices: [])
            } + (looked.isEmpty ? [] : [Self.asOf(at)])
            + all.map { Self.input($0, entered: entered[$0.name] ?? "", lookedUp: looked[$0.name] != nil) }
        hasInputs = !inputs.isEmpty
        self.signature = all.map { input in
            SignatureRow(
                name: input.name, type: input.type.rawValue, values: Self.values(input),
                source: looked[input.name].map { "request, or \($0) from the online store" } ?? "request")
        }
        switch outcome {
        case .notTried: (answer, failure, failureHint) = (nil, nil, nil)
        case .failed(let error): (answer, failure, failureHint) = (nil, error.message, error.hint)
        case .answered(let prediction):
            answer = Answer(
                value: Format.number(prediction.outputs.first ?? .nan),
                what: signature?.task == .binary ? "probability of \(target)" : target,
                id: prediction.id)
            (failure, failureHint) = (nil, nil)
        }
        let row = Dictionary(
            uniqueKeysWithValues: all.filter { looked[$0.name] == nil }.map {
                ($0.name, Self.example($0, entered[$0.name]))
            })
        let body = (try? JSON.string(["rows": [row]])) ?? "{}"
        curl =
            "nestbox predict \(deployment.name) --file - <<< '\((try? JSON.string(row))?.replacingOccurrences(of: "'", with: "'\\''") ?? body)'"
    }

    /// When what is looked up must have been known.
    private static func asOf(_ at: String) -> Input {
        Input(
            label: "as of (lookup)", name: "at", value: at, hint: "now, or like 2013-06-01T12:00:00Z",
            hasChoices: false, choices: [])
    }

    private static func input(_ input: ModelSignature.Input, entered: String, lookedUp: Bool) -> Input {
        let known = input.categories ?? (input.type.rawValue == "bool" ? ["false", "true"] : [])
        let hasChoices = !known.isEmpty && known.count <= choiceLimit && (entered.isEmpty || known.contains(entered))
        let hint = lookedUp ? "empty: looked up" : values(input)
        return Input(
            label: input.name, name: "in.\(input.name)", value: entered, hint: hint, hasChoices: hasChoices,
            choices: hasChoices
                ? [Choice(value: "", isChosen: entered.isEmpty)]
                    + known.map { Choice(value: $0, isChosen: $0 == entered) } : [])
    }

    private static func values(_ input: ModelSignature.Input) -> String {
        if let categories = input.categories {
            let shown = categories.prefix(6).joined(separator: ", ")
            return categories.count > 6 ? "\(shown) … (\(categories.count))" : shown
        }
        if input.type.rawValue == "bool" { return "true, false" }
        guard let range = input.range, range.count == 2 else { return "" }
        return "\(Format.number(range[0])) … \(Format.number(range[1]))"
    }

    private static func example(_ input: ModelSignature.Input, _ entered: String?) -> JSONValue {
        if let entered, !entered.isEmpty { return FormValue.json(entered, type: input.type.rawValue) }
        if let first = input.categories?.first { return .string(first) }
        if let range = input.range, range.count == 2, range[0].isFinite {
            return input.type.rawValue == "int64"
                ? Int64(exactly: range[0].rounded()).map { .int($0) } ?? .number(range[0]) : .number(range[0])
        }
        return .null
    }
}

/// Text from a form field as the JSON value of a column's type.
package enum FormValue {
    /// Empty is null. What does not read as the type stays a string, so that the model's own check names the field.
    package static func json(_ text: String, type: String) -> JSONValue {
        if text.isEmpty { return .null }
        switch type {
        case "int64": return Int64(text).map { .int($0) } ?? Double(text).map { .number($0) } ?? .string(text)
        case "float64": return Double(text).flatMap { $0.isFinite ? .number($0) : nil } ?? .string(text)
        case "bool": return text == "true" ? true : text == "false" ? false : .string(text)
        default: return .string(text)
        }
    }

    /// The field's text for a logged value.
    package static func text(_ value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .number(let number): Int64(exactly: number).map { String($0) } ?? String(number)
        default: Format.json(value)
        }
    }
}
