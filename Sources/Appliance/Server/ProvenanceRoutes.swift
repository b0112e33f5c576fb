import Contracts
import Core
import Foundation

/// What runs were made with, and what tells two of them apart.
enum ProvenanceRoutes {
    private static let tag = "Runs"

    static func routes(_ appliance: Appliance) -> [Route] {
        let reader = ProvenanceReader(tracking: appliance.tracking, artifacts: appliance.artifacts)
        return [
            .get(
                "/api/v1/runs/{id}/environment", tag,
                "Code, packages, machine, seeds and data of a run; from its tags when nothing was captured",
                returns: RunEnvironment.self
            ) { call in
                try await reader.environment(of: try await appliance.tracking.run(id: try call.parameter("id")))
            },
            .get(
                "/api/v1/runs/{id}/diff/{other}", tag,
                "What differs between two runs: params, metrics, environment, packages, code, data",
                returns: RunDiff.self
            ) { call in
                let a = try await reader.facts(try call.parameter("id"))
                let b = try await reader.facts(try call.parameter("other"))
                return try await ComputePool.shared.run { RunDiff(a, b) }
            },
        ]
    }
}

/// Puts together what is known of a run's making.
package struct ProvenanceReader: Sendable {
    let tracking: any Tracking & LoggedModelStore
    let artifacts: any ArtifactStore

    private static let descriptionLimit = 4 << 20
    private static let fileLimit = 16 << 20
    private static let modelFiles: Set<String> = ["requirements.txt", "conda.yaml", "python_env.yaml", "uv.lock"]

    package init(tracking: any Tracking & LoggedModelStore, artifacts: any ArtifactStore) {
        self.tracking = tracking
        self.artifacts = artifacts
    }

    package func environment(of run: Run) async throws -> RunEnvironment {
        let path = run.environmentPath + "/" + RunEnvironment.fileName
        do {
            let data = try await artifacts.read(path, limit: Self.descriptionLimit)
            return try JSON.decode(RunEnvironment.self, from: data, what: path)
        } catch let error as NestboxError where error.code == .notFound {
            var known = RunEnvironment(of: run)
            known.files = try await filesOfModels(of: run)
            return known
        }
    }

    package func facts(_ id: String) async throws -> RunFacts {
        let run = try await tracking.run(id: id)
        var facts = RunFacts(run: run, environment: try await environment(of: run))
        let requirements = facts.environment.files.first { $0.path == "requirements.txt" && $0.digest == nil }
        facts.packages = try await text(facts.environment.packages ?? requirements)
        facts.patch = try await text(facts.environment.code?.diff)
        return facts
    }

    /// What MLflow's clients store beside a model says what it needs.
    private func filesOfModels(of run: Run) async throws -> [RunEnvironment.File] {
        var folders = [run.artifactPath + "/model"]
        for output in run.modelOutputs.prefix(10) {
            if let model = try? await tracking.loggedModel(id: output.modelID, includingDeleted: true),
                let path = try? ArtifactPath.path(ofURI: model.artifactURI)
            {
                folders.append(path)
            }
        }
        var found: [RunEnvironment.File] = []
        for folder in folders {
            for entry in try await artifacts.list(folder) {
                let name = (entry.path as NSString).lastPathComponent
                guard Self.modelFiles.contains(name), !found.contains(where: { $0.path == name }) else { continue }
                found.append(
                    RunEnvironment.File(path: name, uri: ArtifactPath.uri(entry.path), bytes: entry.size ?? 0))
            }
        }
        return found
    }

    /// Empty when there is no such file, or when it is gone.
    private func text(_ file: RunEnvironment.File?) async throws -> String {
        guard let file, let path = try? ArtifactPath.path(ofURI: file.uri) else { return "" }
        do {
            return String(decoding: try await artifacts.read(path, limit: Self.fileLimit), as: UTF8.self)
        } catch let error as NestboxError where error.code == .notFound {
            return ""
        }
    }
}
