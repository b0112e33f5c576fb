import Contracts
import Core
import Foundation

/// Proposes how far a model version is from the one before: by what they take and give back, by their algorithm, and by the
/// metrics of their runs and logged models.
package struct VersionProposer: Sendable {
    private let tracking: any Tracking & LoggedModelStore
    private let artifacts: any ArtifactStore

    /// Relative; metrics that differ by less are the same.
    package static let tolerance = 1e-3
    private static let descriptorLimit = 1 << 20
    private static let listedChanges = 6

    package init(tracking: any Tracking & LoggedModelStore, artifacts: any ArtifactStore) {
        self.tracking = tracking
        self.artifacts = artifacts
    }

    /// What is known of one version.
    package struct Facts: Sendable {
        package var interface: ModelInterface?
        /// Names of flavors, of the estimator's class, of the learner.
        package var algorithm: Set<String> = []
        package var metrics: [String: Double] = [:]
        /// What could not be read.
        package var notes: [String] = []

        package init() {}
    }

    /// Never fails for what cannot be read: that is told in the reason, and a version can be registered all the same.
    package func proposal(for new: NewModelVersion, after previous: ModelVersion) async -> SemanticProposal {
        let before = await facts(
            previous.artifactURI, run: previous.runID, model: previous.modelID, named: "version \(previous.version)")
        let after = await facts(
            new.artifactURI ?? new.source, run: new.runID, model: new.modelID, named: "this version")
        return Self.judge(before, after, previous: previous.version)
    }

    package static func judge(_ before: Facts, _ after: Facts, previous: Int) -> SemanticProposal {
        var changes = ModelInterface.changes(from: before.interface, to: after.interface)
        if !before.algorithm.isEmpty, !after.algorithm.isEmpty, before.algorithm != after.algorithm {
            let old = before.algorithm.subtracting(after.algorithm).sorted().joined(separator: ", ")
            let new = after.algorithm.subtracting(before.algorithm).sorted().joined(separator: ", ")
            changes.append(
                .init(
                    .minor,
                    "the algorithm was \(old.isEmpty ? "without" : old), and is \(new.isEmpty ? "without \(old)" : new)"
                ))
        }
        let common = Set(before.metrics.keys).intersection(after.metrics.keys).sorted()
        for key in common {
            guard let change = MetricMeaning.change(key, from: before.metrics[key]!, to: after.metrics[key]!) else {
                continue
            }
            changes.append(.init(.minor, change))
        }
        let bump = changes.map(\.bump).max() ?? .patch
        // What decides comes first.
        let told = changes.filter { $0.bump == bump } + changes.filter { $0.bump != bump }
        var sentences = told.prefix(listedChanges).map(\.text)
        if told.count > listedChanges { sentences.append("and \(told.count - listedChanges) more changes") }
        if changes.isEmpty {
            sentences.append(
                before.interface == nil && after.interface == nil
                    ? "neither version has a signature" : "same inputs and outputs")
            sentences.append(
                common.isEmpty ? "no metrics to compare" : "same metrics (\(common.count) within \(tolerance * 100) %)")
        }
        let notes = before.notes + after.notes
        return SemanticProposal(
            bump: bump,
            reason: "against version \(previous): " + (sentences + notes).joined(separator: "; "), previous: previous)
    }

    // MARK: Facts

    private func facts(_ uri: String, run runID: String?, model modelID: String?, named name: String) async -> Facts {
        var facts = Facts()
        func attempt(_ what: String, _ body: (inout Facts) async throws -> Void) async {
            do {
                try await body(&facts)
            } catch let error as NestboxError where error.code == .notFound {
                // Runs and files may be deleted, and what is not there says nothing.
            } catch {
                facts.notes.append(
                    "\(what) of \(name) could not be read (\((error as? NestboxError)?.message ?? "\(error)"))")
            }
        }
        if let path = try? ArtifactPath.path(ofURI: uri) {
            await attempt("the MLmodel file") { try await read(path, into: &$0) }
        }
        if let runID, !runID.isEmpty {
            await attempt("the run") { facts in
                let run = try await tracking.run(id: runID)
                for point in run.metrics { facts.metrics[point.key] = point.value }
                for name in [run.tags["estimator_class"], run.params["learner"]].compactMap({ $0 }) {
                    facts.algorithm.insert(name)
                }
            }
        }
        if let modelID {
            await attempt("the logged model") { facts in
                let model = try await tracking.loggedModel(id: modelID, includingDeleted: true)
                // In the order of logging: the last of a key counts.
                for metric in model.metrics { facts.metrics[metric.point.key] = metric.point.value }
            }
        }
        facts.metrics = facts.metrics.filter { $0.value.isFinite && MetricMeaning.judges($0.key) }
        return facts
    }

    private func read(_ folder: String, into facts: inout Facts) async throws {
        let data = try await artifacts.read("\(folder)/\(ModelFolder.descriptor)", limit: Self.descriptorLimit)
        let file = try YAMLText.parse(String(decoding: data, as: UTF8.self), what: "an MLmodel file")
        facts.interface = try ModelInterface(signature: file["signature"])
        for (flavor, settings) in file["flavors"]?.objectValue ?? [:] where flavor != "python_function" {
            facts.algorithm.insert(flavor)
            for key in ["learner", "model_class"] {
                if let name = settings[key]?.stringValue { facts.algorithm.insert(name) }
            }
        }
    }
}

/// What the name of a metric says: whether it judges a model at all, and which way is better.
enum MetricMeaning {
    private static let costs: Set = [
        "loss", "error", "err", "rmse", "mse", "mae", "mape", "smape", "rmsle", "msle", "logloss", "perplexity",
        "brier",
        "deviance", "wer", "cer", "hinge", "psi", "fpr", "fnr",
    ]
    private static let gains: Set = [
        "auc", "accuracy", "acc", "f1", "precision", "recall", "r2", "score", "ndcg", "map", "mrr", "bleu", "rouge",
        "kappa",
        "mcc", "auroc", "auprc", "sensitivity", "specificity", "similarity", "correlation", "tpr", "tnr",
    ]
    /// How long, how much, how far: not how good.
    private static let measures: Set = [
        "time", "seconds", "ms", "duration", "latency", "epoch", "step", "steps", "iterations", "memory", "bytes",
        "rows",
        "samples", "count", "examples",
    ]

    private static func words(_ key: String) -> [String] {
        key.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    static func judges(_ key: String) -> Bool {
        !key.hasPrefix("system/") && measures.isDisjoint(with: words(key)) && !key.hasSuffix("base_rate")
    }

    /// Nil for values that are the same within the tolerance.
    static func change(_ key: String, from old: Double, to new: Double) -> String? {
        guard abs(new - old) > VersionProposer.tolerance * max(abs(old), abs(new)) else { return nil }
        let words = words(key)
        var verdict = "changed"
        if let word = words.last(where: { costs.contains($0) || gains.contains($0) }) {
            verdict = (new < old) == costs.contains(word) ? "better" : "worse"
        }
        return "`\(key)` \(short(old)) → \(short(new)) (\(verdict))"
    }

    private static func short(_ value: Double) -> String { String(format: "%.5g", value) }
}
