import Contracts
import Core
import Foundation

extension TrainingRecipe {
    /// Reads a recipe in YAML or JSON and checks all that can be checked without its dataset.
    ///
    /// Throws `invalid_argument` naming the key and what was expected; an unknown key with the nearest known ones.
    package init(yaml text: String) throws {
        try self.init(value: try YAMLText.parse(text, what: "the recipe", largest: 256 << 10))
    }

    /// The same from a JSON value, such as a job's payload.
    package init(value: JSONValue) throws {
        guard case .object(let root) = value else {
            throw NestboxError.invalid("the recipe must be an object of `key: value`, not \(value.kind)")
        }
        try Self.checkKeys(root, known: Self.keys, place: "")
        if let split = root["split"]?.objectValue { try Self.checkKeys(split, known: Self.splitKeys, place: "split.") }
        if let study = root["study"]?.objectValue { try Self.checkKeys(study, known: Self.studyKeys, place: "study.") }
        try Self.checkChoice(root["task"], Task.allCases.map(\.rawValue), key: "task")
        try Self.checkChoice(root["learner"], Learner.allCases.map(\.rawValue), key: "learner")
        try Self.checkChoice(root["split"]?["by"], Split.Kind.allCases.map(\.rawValue), key: "split.by")
        try Self.checkSeed(root["split"]?["seed"], key: "split.seed")
        try Self.checkSeed(root["study"]?["seed"], key: "study.seed")
        for name in ["seed", "random_state"] {
            try Self.checkSeed(root["parameters"]?[name], key: "parameters.\(name)")
        }
        // Null means the same as left out.
        let given = JSONValue.object(root.filter { $0.value != .null })
        self = try JSON.decode(TrainingRecipe.self, value: given, what: "the recipe")
        try check()
    }

    private static let keys = [
        "name", "experiment", "dataset", "target", "task", "features", "split", "learner", "parameters", "metrics",
        "require",
        "register_as", "study",
    ]
    private static let splitKeys = [
        "by", "column", "validation_from", "test_from", "test_until", "seed", "validation", "test",
    ]
    private static let studyKeys = ["trials", "seed", "space"]

    private static func checkKeys(_ object: [String: JSONValue], known: [String], place: String) throws {
        for key in object.keys.sorted() where !known.contains(key) {
            throw NestboxError.invalid(
                "the recipe: there is no key `\(place)\(key.prefix(80))`",
                hint: NestboxError.notFound("key", key, among: known).hint)
        }
    }

    private static func checkSeed(_ value: JSONValue?, key: String) throws {
        guard let number = value?.doubleValue, number < 0 else { return }
        throw NestboxError.invalid(
            "the recipe: `\(key)` is \(value?.intValue.map { "\($0)" } ?? "\(number)"); expected a whole number from 0 on",
            hint: "a seed only tells random choices apart: any number from 0 on does as well")
    }

    private static func checkChoice(_ value: JSONValue?, _ choices: [String], key: String) throws {
        guard let value, value != .null else { return }
        guard let text = value.stringValue, choices.contains(text) else {
            let shown = value.stringValue.map { "`\($0.prefix(80))`" } ?? value.kind
            throw NestboxError.invalid(
                "the recipe: `\(key)` is \(shown); expected \(choices.map { "`\($0)`" }.joined(separator: " or "))")
        }
    }
}
