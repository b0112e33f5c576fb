import Core
import Server
import Testing

@Suite struct MLflowFilterTests {
    private static let vocabulary = MLflowFilter.Vocabulary(
        attributes: ["status": .text, "start_time": .number, "run_name": .text], hasTags: true,
        hasMetricsAndParams: true)

    /// `auc` 0.7, parameter `learner` «Linear», tags `a b` «100%» and `mlflow.user` «ada», status FINISHED, started at 1000.
    private static func value(of field: MLflowFilter.Field) -> MLflowFilter.Value? {
        switch field {
        case .metric("auc"): .number(0.7)
        case .metric("nan"): .number(.nan)
        case .param("learner"): .text("Linear")
        case .tag("a b"): .text("100%")
        case .tag("mlflow.user"): .text("ada")
        case .attribute("status"): .text("FINISHED")
        case .attribute("start_time"): .number(1000)
        case .attribute("run_name"): .text("it's \"one\"")
        default: nil
        }
    }

    @Test(arguments: [
        ("", true), ("  ", true), ("metrics.auc > 0.69", true), ("metrics.auc >= 0.7", true),
        ("metric.auc < 0.7", false),
        ("metrics.auc != 0.7", false), ("metrics.auc = 7e-1", true), ("metrics.auc == 0.7", true),
        ("metrics.auc IN (1, 0.7)", true),
        ("metrics.nan != 1", true), ("metrics.nan = 1", false), ("metrics.other != 1", false),
        ("metrics.auc>-1 and metrics.auc<1", true),
        ("params.learner = 'Linear'", true), ("params.learner = \"linear\"", false),
        ("param.learner ILIKE 'lin%'", true),
        ("parameters.learner LIKE 'lin%'", false), ("params.learner LIKE '_inea_'", true),
        ("params.learner LIKE '%'", true),
        ("params.other != 'x'", false), ("tags.`a b` = '100%'", true), ("tags.\"a b\" LIKE '%\\%'", false),
        ("tags.`a b` LIKE '100_'", true), ("tag.mlflow.user = 'ada'", true),
        ("tags.`mlflow.user` IN ('eve', 'ada')", true),
        ("status = 'FINISHED'", true), ("attributes.status != 'FINISHED'", false), ("attr.start_time >= 1000", true),
        ("start_time < 1000", false), ("run_name = 'it' ", false), ("run_name LIKE \"it's%\"", true),
        ("metrics.auc > 0.5 AND params.learner = 'Linear' and status = 'FINISHED'", true),
        ("metrics.auc > 0.5 and params.learner = 'Linear' and status = 'FAILED'", false),
    ])
    func keepsWhatPasses(text: String, expected: Bool) throws {
        #expect(try MLflowFilter(text, Self.vocabulary).matches(Self.value) == expected)
    }

    @Test(arguments: [
        ("metrics.auc", "position 12"), ("metrics.auc >", "position 14"), ("metrics.auc > 'x'", "position 15"),
        ("metrics.auc > x", "position 15"), ("metrics.auc LIKE 1", "position 13"),
        ("params.learner = Linear", "position 18"),
        ("params.learner > 'a'", "position 16"), ("params.learner = 'a", "position 18"), ("= 1", "position 1"),
        ("metrics. > 1", "position 10"),
        ("nothing = 'a'", "there is no attribute `nothing`"), ("datasets.name = 'a'", "position 1"),
        ("status = 'a' or status = 'b'", "position 14"),
        ("status = 'a' status = 'b'", "position 14"), ("status = 'a' and", "position 17"),
        ("status IN 'a'", "position 11"),
        ("status IN ('a' 'b')", "position 16"), ("status IN ()", "position 12"), ("(status = 'a')", "position 1"),
        ("status =! 'a'", "position 8"),
    ])
    func namesThePlaceOfWhatItDoesNotUnderstand(text: String, says: String) {
        let error = #expect(throws: NestboxError.self) { try MLflowFilter(text, Self.vocabulary) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
    }

    @Test func entitiesWithoutMetricsRefuseThem() {
        let vocabulary = MLflowFilter.Vocabulary(attributes: ["name": .text], hasTags: true, hasMetricsAndParams: false)
        #expect(throws: NestboxError.self) { try MLflowFilter("metrics.auc > 1", vocabulary) }
        #expect(throws: NestboxError.self) { try MLflowFilter("param.a = '1'", vocabulary) }
    }

    @Test func knowsTheNameItAsksFor() throws {
        let filter = try MLflowFilter("status = 'a' and tags.x != 'y'", Self.vocabulary)
        #expect(filter.equality(of: .attribute("status")) == "a")
        #expect(filter.equality(of: .tag("x")) == nil)
        #expect(filter.mentions(.tag("x")) && !filter.mentions(.tag("y")))
    }

    /// A pattern of many `%` over a long text: exponential matchers never come back from this.
    @Test func longPatternsEnd() throws {
        let filter = try MLflowFilter("run_name LIKE '\(String(repeating: "%a", count: 60))%b'", Self.vocabulary)
        #expect(!filter.matches { _ in .text(String(repeating: "a", count: 5000)) })
    }
}
