import Contracts

/// What can be searched of logged models. Source: `mlflow/utils/search_logged_model_utils.py`, 3.17.
///
///     metrics.auc > 0.7 AND params.depth IN ('4', '6') AND tags.`mlflow.user` LIKE 'a%' AND name = 'm'
extension SearchVocabulary {
    static let loggedModels: SearchVocabulary = {
        let attributes = LoggedModelQuery.columns.mapValues { column in
            column == "m.created_at" || column == "m.updated_at" ? Rule.number : .listableText
        }
        var vocabulary = SearchVocabulary(
            "logged models",
            [
                Family(.metric, ["metrics"], anyKey: .number), Family(.param, ["params"], anyKey: .listableText),
                Family(.tag, ["tags"], anyKey: .listableText),
                Family(.attribute, ["attributes"], keys: attributes),
            ], orders: [])
        vocabulary.allowsSignsInKeys = true
        vocabulary.longestPattern = 1000
        return vocabulary
    }()
}
