/// What can be searched of one kind of thing. Source: the `Search…Utils` classes of `mlflow/utils/search_utils.py`, 3.17.
package struct SearchVocabulary: Sendable {
    package enum ValueKind: Sendable {
        /// A numeral: `0.5`, `-3`, `1e-4`.
        case number
        /// A numeral without a fraction.
        case integer
        /// The same, or in quotes.
        case quotableInteger
        /// A text in single or double quotes.
        case text
        /// A whole number in quotes.
        case identifier
        /// What somebody said of a thing: a text in quotes, a numeral, true or false. To order, a numeral only.
        case scalar
    }

    package struct Rule: Sendable {
        package var kind: ValueKind
        package var comparators: [SearchComparator]
        /// What is wrong with a text to compare with, beyond its kind.
        package var complaint: (@Sendable (SearchComparator, String) -> String?)?

        package init(
            _ kind: ValueKind, _ comparators: [SearchComparator],
            complaint: (@Sendable (SearchComparator, String) -> String?)? = nil
        ) {
            self.kind = kind
            self.comparators = comparators
            self.complaint = complaint
        }
    }

    /// Fields that are written with the same word before the dot.
    package struct Family: Sendable {
        package var entity: SearchField.Entity
        /// The words before the dot; case matters. Attributes can go without. `span.attributes` goes before `span`.
        package var prefixes: [String]
        /// The keys there are.
        package var keys: [String: Rule] = [:]
        /// For any other key; nil when `keys` lists them all.
        package var anyKey: Rule?
        /// Other ways to write a key.
        package var synonyms: [String: String] = [:]

        package init(
            _ entity: SearchField.Entity, _ prefixes: [String], keys: [String: Rule] = [:], anyKey: Rule? = nil,
            synonyms: [String: String] = [:]
        ) {
            self.entity = entity
            self.prefixes = prefixes
            self.keys = keys
            self.anyKey = anyKey
            self.synonyms = synonyms
        }
    }

    /// What is searched: `runs`.
    package var subject: String
    package var families: [Family]
    /// What can be ordered by, written as in `families`.
    package var orders: [Family]
    /// Whether to order twice by one field is without effect, and not a mistake.
    package var allowsRepeatedOrders = false
    /// Whether a key needs no quotes for signs that neither compare nor enclose: `metrics.val/auc`.
    package var allowsSignsInKeys = false
    /// Bytes of a pattern. SQLite matches one in time that grows with its length times that of the text.
    package var longestPattern = 10_000
    /// Characters of a whole filter.
    package var longestFilter = Int.max

    package init(_ subject: String, _ families: [Family], orders: [Family]) {
        self.subject = subject
        self.families = families
        self.orders = orders
    }
}

extension SearchVocabulary.Rule {
    package static let order: [SearchComparator] = [
        .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
    ]
    package static let match: [SearchComparator] = [.equal, .notEqual, .like, .ilike]

    package static let number = Self(.number, order)
    package static let integer = Self(.integer, order)
    package static let quotableInteger = Self(.quotableInteger, order)
    package static let text = Self(.text, match)
    package static let listableText = Self(.text, match + [.isIn, .isNotIn])
    package static let optionalText = Self(.text, match + [.isNull, .isNotNull])
    package static let identifier = Self(.identifier, [.equal, .notEqual, .isIn, .isNotIn])
}

extension SearchVocabulary {
    package static let runs = SearchVocabulary(
        "runs",
        [
            runAttributes, Family(.metric, ["metrics", "metric"], anyKey: .number),
            Family(.param, ["params", "param", "parameters", "parameter"], anyKey: .optionalText),
            Family(.tag, ["tags", "tag"], anyKey: .optionalText),
            Family(
                .dataset, ["datasets", "dataset"],
                keys: ["name": .listableText, "digest": .listableText, "context": .listableText]),
        ],
        orders: [
            runOrders, Family(.metric, ["metrics", "metric"], anyKey: .number),
            Family(.param, ["params", "param", "parameters", "parameter"], anyKey: .text),
            Family(.tag, ["tags", "tag"], anyKey: .text),
        ])

    private static let runAttributes = Family(
        .attribute, ["attributes", "attribute", "attr", "run"],
        keys: [
            "run_id": .listableText, "run_name": .text, "user_id": .text, "status": .text, "artifact_uri": .text,
            "start_time": .number, "end_time": .number,
        ],
        synonyms: [
            "created": "start_time", "Created": "start_time", "run name": "run_name", "Run name": "run_name",
            "Run Name": "run_name",
        ])

    /// How long a run took is no attribute of MLflow's, but tables are sorted by it.
    private static let runOrders: Family = {
        var family = runAttributes
        family.keys["duration"] = .number
        return family
    }()

    package static let experiments: SearchVocabulary = {
        var vocabulary = SearchVocabulary(
            "experiments", [experimentAttributes, Family(.tag, ["tags", "tag"], anyKey: .optionalText)],
            orders: [experimentAttributes])
        vocabulary.allowsRepeatedOrders = true
        return vocabulary
    }()

    private static let experimentAttributes = Family(
        .attribute, ["attribute"],
        keys: [
            "name": .text, "experiment_id": .identifier, "creation_time": .integer, "last_update_time": .integer,
        ])

    package static let registeredModels = SearchVocabulary(
        "registered models",
        [
            Family(.attribute, ["attribute"], keys: ["name": .listableText]),
            Family(.tag, ["tags", "tag"], anyKey: .text),
        ],
        orders: [
            Family(
                .attribute, [], keys: ["name": .text, "last_updated_timestamp": .integer],
                synonyms: ["timestamp": "last_updated_timestamp"])
        ])

    package static let modelVersions = SearchVocabulary(
        "model versions",
        [
            Family(
                .attribute, ["attribute"],
                keys: [
                    "name": .listableText, "run_id": .listableText, "source_path": .text,
                    "version_number": .quotableInteger,
                ]), Family(.tag, ["tags", "tag"], anyKey: .text),
        ],
        orders: [
            Family(
                .attribute, ["attribute"],
                keys: [
                    "name": .text, "version_number": .integer, "creation_timestamp": .integer,
                    "last_updated_timestamp": .integer,
                ])
        ])
}
