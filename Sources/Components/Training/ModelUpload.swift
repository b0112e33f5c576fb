import Contracts
import Core
import Foundation
import Statistics
import Tables
import Tabular

/// Writes the model folder below a run's artifacts.
struct ModelUpload: Sendable {
    let artifacts: any ArtifactStore
    let run: Run
    let recipe: TrainingRecipe
    let ambient: Ambient

    /// Where the folder lies in the artifact store.
    static func path(_ run: Run) -> String { run.artifactPath + "/model" }

    func upload(_ model: TabularModel, _ data: TrainingData) async throws {
        let (bytes, baseline, importance) = try await ComputePool.shared.run { [recipe] in
            let predictions = try model.predict(data.train)
            let rows = try data.train.select(recipe.features).appending(
                ModelFolder.outputName, .float64(predictions))
            let baseline = try Baseline(rows, features: recipe.features + [ModelFolder.outputName])
            let shares = model.importance.sorted {
                $0.share != $1.share ? $0.share > $1.share : $0.feature < $1.feature
            }
            let importance = shares.map { share -> JSONValue in
                ["feature": .string(share.feature), "share": .number(share.share)]
            }
            return (
                try model.encoded(), try JSON.encode(baseline),
                try JSON.encode(JSONValue.array(importance), pretty: true)
            )
        }
        let folder = Self.path(run)
        for (name, content) in [
            (ModelFolder.model, bytes), (ModelFolder.baseline, baseline),
            (ModelFolder.recipe, try JSON.encode(recipe, pretty: true)),
            (ModelFolder.descriptor, Data(try descriptor(model).utf8)),
        ] {
            _ = try await artifacts.put("\(folder)/\(name)", content)
        }
        _ = try await artifacts.put("\(run.artifactPath)/feature_importance.json", importance)
    }

    /// https://mlflow.org/docs/latest/ml/model/#storage-format
    private func descriptor(_ model: TabularModel) throws -> String {
        let inputs = model.inputs.map { input -> JSONValue in
            ["name": .string(input.name), "type": .string(input.type.mlflowName), "required": true]
        }
        let output: JSONValue = [["name": "prediction", "type": "double", "required": true]]
        return """
            artifact_path: model
            flavors:
              nestbox:
                model: \(ModelFolder.model)
                task: \(model.task.rawValue)
                learner: \(model.learner)
            run_id: \(run.id)
            signature:
              inputs: \(quoted(try JSON.string(inputs)))
              outputs: \(quoted(try JSON.string(output)))
            utc_time_created: \(quoted(ambient.now().iso8601))

            """
    }

    private func quoted(_ text: String) -> String { "'" + text.replacingOccurrences(of: "'", with: "''") + "'" }
}
