import Core
import Testing

/// Whose implementation a contract suite runs against. Suites ask it where implementations may differ, and then expect what
/// that one documents: nothing is left out in silence, and what a server stops lacking makes the suite fail.
package struct ContractProfile: Sendable {
    /// What a real MLflow server (3.17, on SQLite) does less well than Nestbox documents, or not at all.
    package enum Gap: Sendable, CaseIterable {
        /// Complaints have MLflow's own sentences, which name no position in a filter.
        case wording
        /// Long values are kept whole, and refused beyond a million characters; MLflow cuts params off at 6,000 and tags at 8,000.
        case longValues
        /// MLflow keeps ±Inf as the largest number there is.
        case infinities
        /// A batch is logged as a whole; MLflow keeps its metrics when the logged model that they measure is unknown.
        case wholeBatches
        /// A page begins after the last item of the one before, and its token belongs to one search; MLflow counts items.
        case keysetPages
        /// What a caller did wrong has a code of its own. MLflow fails (500), or says that something is invalid, where a name
        /// is taken, a trace is missing, a number has more than 64 bits, a tag of a model is asked for NULL, a field is ordered
        /// by twice, or Archived would be archived; and it takes an AND with nothing behind it.
        case mistakes
        /// A dataset's name without a digest means every version of it; MLflow then finds nothing.
        case datasetsByName
        /// Empty keys to order by are refused.
        case emptyNames
        /// A search tells which models a run used, as the run itself does.
        case modelInputsInSearch
        /// `history`, with who and why. Not implemented by MLflow; `not_implemented`.
        case history
        /// Semantic versions. Not implemented by MLflow; `not_implemented`. A Nestbox before it keeps them in tags.
        case semanticVersions
        /// Digests of artifacts in listings and answers.
        case digests
        /// Garbage collection on demand. Not implemented by MLflow over HTTP; `not_implemented`.
        case garbageCollection
    }

    package var gaps: Set<Gap> = []

    package static let nestbox = ContractProfile()
    package static let mlflow = ContractProfile(gaps: Set(Gap.allCases))
    /// A Nestbox in front of an MLflow server: the history of moves and semantic versions are its own, the rest is as there.
    package static let nestboxBeforeMLflow = ContractProfile(
        gaps: Set(Gap.allCases).subtracting([.history, .semanticVersions]))

    @TaskLocal package static var current = ContractProfile.nestbox

    package static func lacks(_ gap: Gap) -> Bool { current.gaps.contains(gap) }
}
