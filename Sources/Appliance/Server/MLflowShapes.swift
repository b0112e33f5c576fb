import Contracts
import Core

// Nestbox's values in MLflow's JSON. Source: mlflow/protos/service.proto and model_registry.proto (3.17).

extension MLflowJSONWriter {
    mutating func experiment(_ experiment: Experiment) {
        field("experiment_id", experiment.id)
        field("name", experiment.name)
        field("artifact_location", experiment.artifactLocation)
        field("lifecycle_stage", experiment.lifecycleStage.rawValue)
        field("last_update_time", experiment.updatedAt.milliseconds)
        field("creation_time", experiment.createdAt.milliseconds)
        pairs("tags", experiment.tags)
        // MLflow's name of the one workspace where there are none.
        field("workspace", "default")
    }

    mutating func run(_ run: Run) {
        object("info") { $0.runInfo(run) }
        object("data") {
            $0.list("metrics", run.metrics) { $0.metric($1) }
            $0.pairs("params", run.params)
            $0.pairs("tags", run.tags)
        }
        object("inputs") {
            $0.list("dataset_inputs", run.inputs) { writer, input in
                writer.pairs("tags", input.tags)
                writer.object("dataset") {
                    $0.field("name", input.name)
                    $0.field("digest", input.digest)
                    $0.field("source_type", input.sourceType)
                    $0.field("source", input.source)
                    $0.field("schema", input.schema)
                    $0.field("profile", input.profile)
                }
            }
            $0.list("model_inputs", run.modelInputs) { $0.field("model_id", $1) }
        }
        object("outputs") {
            $0.list("model_outputs", run.modelOutputs) { writer, output in
                writer.field("model_id", output.modelID)
                writer.field("step", output.step)
            }
        }
    }

    mutating func runInfo(_ run: Run) {
        field("run_uuid", run.id)
        field("experiment_id", run.experimentID)
        field("run_name", run.name)
        field("user_id", run.user)
        field("status", run.status.rawValue)
        field("start_time", run.startTime.milliseconds)
        field("end_time", run.endTime?.milliseconds)
        field("artifact_uri", run.artifactURI)
        field("lifecycle_stage", run.lifecycleStage.rawValue)
        field("run_id", run.id)
    }

    mutating func metric(_ point: MetricPoint) {
        field("key", point.key)
        field("value", point.value)
        field("timestamp", point.timestamp.milliseconds)
        field("step", point.step)
    }

    /// - Parameter relativeTo: a folder's path with its slash, cut from the entry's path.
    mutating func file(_ entry: ArtifactEntry, relativeTo folder: String) {
        field("path", String(decoding: entry.path.utf8.dropFirst(folder.utf8.count), as: UTF8.self))
        field("is_dir", entry.isDirectory)
        field("file_size", entry.size)
        // Not MLflow's: lets a Nestbox client see what it is about to read. Other clients ignore it.
        field("digest", entry.digest)
    }

    mutating func registeredModel(_ model: RegisteredModel, latest: [ModelVersion]) {
        field("name", model.name)
        field("creation_timestamp", model.createdAt.milliseconds)
        field("last_updated_timestamp", model.updatedAt.milliseconds)
        field("description", model.description.isEmpty ? nil : model.description)
        list("latest_versions", latest) { $0.modelVersion($1) }
        pairs("tags", model.tags)
        list("aliases", model.aliases.sorted { $0.key < $1.key }) { writer, pair in
            writer.field("alias", pair.key)
            writer.field("version", String(pair.value))
        }
    }

    mutating func modelVersion(_ version: ModelVersion) {
        field("name", version.name)
        field("version", String(version.version))
        field("creation_timestamp", version.createdAt.milliseconds)
        field("last_updated_timestamp", version.updatedAt.milliseconds)
        field("user_id", version.createdBy)
        field("current_stage", version.stage.rawValue)
        field("description", version.description)
        field("source", version.source)
        field("run_id", version.runID ?? "")
        field("status", "READY")
        pairs("tags", version.tags)
        field("run_link", "")
        list("aliases", version.aliases.sorted())
        field("model_id", version.modelID)
        // Not MLflow's, which asks for it with get-download-uri: where the files lie when `source` is another name for it.
        field("artifact_uri", version.artifactURI == version.source ? nil : version.artifactURI)
    }
}
