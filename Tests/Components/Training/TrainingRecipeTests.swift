import Contracts
import Core
import Tables
import TestSupport
import Testing
import Training

@Test func yamlAndJSONAreReadAlike() throws {
    let yaml = try TrainingRecipe(yaml: recipeYAML)
    #expect(
        yaml.split.seed == 1 && yaml.parameters == ["num_trees": 25, "num_leaves": 8] && yaml.require == ["auc": 0.8])
    #expect(try TrainingRecipe(yaml: try JSON.string(yaml)) == yaml)
    #expect(try TrainingRecipe(yaml: try JSON.string(yaml, pretty: true)) == yaml)
}

@Test func datesAndWordsLikeNoStayText() throws {
    let value = try YAMLText.parse("{at: 2013-04-01, a: no, b: true, c: 1e3, d: ~, e: '1', f: 1.2.3}", what: "it")
    #expect(
        value == ["at": "2013-04-01", "a": "no", "b": true, "c": 1000.0, "d": .null, "e": "1", "f": "1.2.3"])
}

private let badRecipes: [(change: (String, String), expected: String)] = [
    (("target: late", "targets: late"), "there is no key `targets`"),
    (("seed: 1, ", "sed: 1, "), "`split.sed`"),
    (("seed: 1, ", "seed: -1, "), "`split.seed` is -1; expected a whole number from 0 on"),
    (("num_leaves: 8}", "num_leaves: 8, seed: -2}"), "`parameters.seed` is -2; expected a whole number from 0 on"),
    (("name: flights-late\n", ""), "`name` is required"),
    (("name: flights-late", "name: a/b"), "cannot be the name"),
    (("task: binary", "task: ranking"), "`task` is `ranking`; expected `binary` or `regression`"),
    (("learner: gradient_boosting", "learner: forest"), "`learner` is `forest`"),
    (("by: seed", "by: luck"), "`split.by` is `luck`"),
    (("features: [delay, carrier]", "features: delay"), "`features` must be an array"),
    (("features: [delay, carrier]", "features: []"), "`features` is empty"),
    (("[delay, carrier]", "[delay, delay]"), "`delay` twice"),
    (("[delay, carrier]", "[delay, late]"), "names the target"),
    (("[delay, carrier]", "[delay, prediction]"), "`prediction`"),
    (("dataset: flights", "dataset: flights@x"), "is not a version number"),
    (("test: 0.2}", "test: 0}"), "`split.test`"),
    (("test: 0.2}", "test: 0.9}"), "leave rows to train on"),
    (("{by: seed, seed: 1, validation: 0.2, test: 0.2}", "{by: time, test_from: 2013-02-01}"), "`split.column`"),
    (("{by: seed, seed: 1, validation: 0.2, test: 0.2}", "{by: time, column: at}"), "`split.test_from`"),
    (("{by: seed, seed: 1, validation: 0.2, test: 0.2}", "{by: time, column: at, test_from: soon}"), "`soon`"),
    (
        (
            "{by: seed, seed: 1, validation: 0.2, test: 0.2}",
            "{by: time, column: at, validation_from: 2013-03-01, test_from: 2013-02-01}"
        ), "must be before"
    ),
    (("num_trees: 25", "num_tres: 25"), "num_tres"),
    (("num_trees: 25", "num_trees: -1"), "num_trees"),
    (("num_trees: 25", "num_trees: many"), "num_trees"),
    (("[auc, log_loss]", "[auc, rmse]"), "names `rmse`"),
    (("[auc, log_loss]", "[]"), "`metrics` is empty"),
    (("{auc: 0.8}", "{f1: 0.8}"), "names `f1`"),
    (("register_as: late", "study: {trials: 0, seed: 1, space: {num_leaves: [2, 3]}}"), "`study.trials`"),
    (("register_as: late", "study: {trials: 2, seed: 1, space: {}}"), "space"),
    (("register_as: late", "study: {trials: 9, seed: 1, space: {num_leaves: [-5]}}"), "num_leaves"),
    (("register_as: late", "study: {trials: 9, seed: 1, space: {leaves: [5]}}"), "leaves"),
    (("register_as: late", "a: [1, 2"), "not well-formed"),
    (("register_as: late", "name: again"), "not well-formed"),
]

@Test(arguments: badRecipes.indices)
func aWrongRecipeIsRefusedWithItsPlace(index: Int) throws {
    let (change, expected) = badRecipes[index]
    let text = recipeYAML.replacingOccurrences(of: change.0, with: change.1)
    #expect(text != recipeYAML)
    let error = #expect(throws: NestboxError.self) { try TrainingRecipe(yaml: text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(expected) == true, "\(String(describing: error))")
}

@Test(
    arguments: [
        (("delay, carrier", "dely, carrier"), "`dely`"), (("target: late", "target: lat"), "`lat`"),
        (("target: late", "target: note"), "is string; a binary task needs"),
        (
            ("{by: seed, seed: 1, validation: 0.2, test: 0.2}", "{by: time, column: delay, test_from: 2013-02-01}"),
            "expected a timestamp"
        ),
        (
            ("{by: seed, seed: 1, validation: 0.2, test: 0.2}", "{by: time, column: at, test_from: 2033-02-01}"),
            "no rows to test on"
        ),
        (("dataset: flights", "dataset: flight"), "no dataset named `flight`"),
    ] as [((String, String), String)])
func aRecipeThatDoesNotFitItsDatasetMakesNoRun(change: (String, String), expected: String) async throws {
    let bench = try TestBench(rows: 100)
    let text = recipeYAML.replacingOccurrences(of: change.0, with: change.1)
    #expect(text != recipeYAML)
    let recipe = try TrainingRecipe(yaml: text)
    let error = await #expect(throws: NestboxError.self) { try await bench.trainer().train(recipe) }
    #expect(error?.code == .invalidArgument || error?.code == .notFound)
    #expect(error?.message.contains(expected) == true, "\(String(describing: error))")
    #expect(bench.tracking.runs.isEmpty)
}

@Test func aTextMadeToExhaustTheParserIsRefused() {
    let bombs = [
        String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 60_000),
        String(repeating: "- ", count: 100_000),
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", String(repeating: "x", count: 1 << 20), "", "42", "[1, 2]",
        "{\"a\": " + String(repeating: "[", count: 5000), "\u{0}", "a:\n\t- b",
    ]
    for bomb in bombs {
        let error = #expect(throws: NestboxError.self) { try TrainingRecipe(yaml: bomb) }
        #expect(error?.code == .invalidArgument || error?.code == .payloadTooLarge)
    }
}

@Test func aSplitByTimeCutsAtItsBoundaries() throws {
    let day: Int64 = 86_400_000
    let start = try #require(Timestamp(iso8601: "2013-01-01")).milliseconds
    let times = (0..<10).map { start + Int64($0) * day }
    let table = try Table([("at", .timestamp(times, Validity((0..<10).map { $0 != 1 })))])
    var split = TrainingRecipe.Split(
        by: .time, column: "at", validationFrom: "2013-01-04", testFrom: "2013-01-06", testUntil: "2013-01-08T12:00:00Z"
    )
    let rows = try RowSplit(split, table)
    #expect(rows.train == [0, 2] && rows.validation == [3, 4] && rows.test == [5, 6, 7] && rows.leftOut == 3)
    split.validationFrom = nil
    split.testUntil = nil
    let two = try RowSplit(split, table)
    #expect(two.train == [0, 2, 3, 4] && two.validation == [] && two.test == [5, 6, 7, 8, 9] && two.leftOut == 1)
    split.testFrom = "2012-01-01"
    let error = #expect(throws: NestboxError.self) { try RowSplit(split, table) }
    #expect(error?.hint?.contains("2013-01-10") == true)
}

@Test func aSplitBySeedIsAPartitionThatRepeats() throws {
    let table = try Table([("x", .int64(Array(0..<1003)))])
    let split = TrainingRecipe.Split(by: .seed, seed: 5, validation: 0.15, test: 0.25)
    let rows = try RowSplit(split, table)
    #expect(rows.test.count == 251 && rows.validation.count == 150 && rows.leftOut == 0)
    #expect((rows.train + rows.validation + rows.test).sorted() == Array(0..<1003))
    #expect(try RowSplit(split, table) == rows)
    #expect(try RowSplit(TrainingRecipe.Split(by: .seed, seed: 6, validation: 0.15, test: 0.25), table) != rows)
    // Not a cut in table order.
    #expect(rows.test.first.map { $0 < 50 } == true && rows.test.last.map { $0 > 950 } == true)
}
