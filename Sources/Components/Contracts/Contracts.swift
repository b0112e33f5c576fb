// Contracts: the seams. Each component is reached through one small protocol of Codable & Sendable values, so that an
// embedded implementation and a remote one are the same to everybody. Contents, one file per seam:
//
//   Artifacts     ArtifactStore   files by path, content-addressed underneath        (outgrown: S3)
//   Datasets      DatasetStore    immutable numbered versions of tables              (Parquet on S3)
//   Features      FeatureStore    entities, views, point-in-time joins, online store (Redis, Feast)
//   Tracking      Tracking        experiments, runs, params, metrics, tags           (MLflow REST)
//   LoggedModels  LoggedModelStore  models as runs log them, a part of tracking       (MLflow REST)
//   Traces        TraceStore      traces of requests, spans, assessments             (OTLP, MLflow REST)
//   TraceMetrics  counts, sums and percentiles over many traces                      (MLflow REST)
//   Registry      ModelRegistry   models, versions, aliases, transitions             (MLflow REST)
//   Webhooks      WebhookStore    who is told of the registry's changes, and whether  (MLflow REST)
//   Outbox        Outbox          messages to elsewhere, kept until they are taken
//   MLflowSource  what MLflow keeps, read to bring it over; Exchange, what takes it
//   RunEnvironment  what a run was made with; RunDiff, what tells two runs apart
//   SearchFilter  MLflow's language for filters and orders of runs, models and traces
//   Jobs          JobQueue        durable queue with leases                          (Slurm, Ray, Kubernetes)
//   Training      TrainingRecipe  what a training job is given; the layout of a model folder
//   Serving       ModelServer     deployments and predictions                        (Triton, KServe)
//   Monitoring    Monitor         drift reports and alerts                           (Prometheus, OpenTelemetry)
//   Lineage       what went into what, as a graph: asked of the seams above, kept nowhere else (OpenLineage)
//
// Contract suites in Tests/Support run against every implementation. Components import this module and never each other.

import Core

/// A page of a longer list; `nextPageToken` is opaque and nil on the last page.
package struct Page<Item: Codable & Sendable>: Codable, Sendable {
    package var items: [Item]
    package var nextPageToken: String?

    package init(items: [Item], nextPageToken: String? = nil) {
        self.items = items
        self.nextPageToken = nextPageToken
    }
}

/// Names of models, datasets, deployments, feature views: they become path parts and URL parts.
package enum Name {
    /// Throws `invalid_argument` unless `name` is 1–200 characters, starts with a letter or digit and holds no slash,
    /// backslash, colon, control character or `..`.
    package static func check(_ name: String, what: String) throws {
        let isFine =
            !name.isEmpty && name.count <= 200 && (name.first!.isLetter || name.first!.isNumber)
            && !name.contains("..")
            && name.unicodeScalars.allSatisfy {
                $0.value >= 0x20 && $0.value != 0x7F && !"/\\:@?#%".unicodeScalars.contains($0)
            }
        guard isFine else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of a \(what)",
                hint: "use 1–200 letters, digits, `-`, `_`, `.` or spaces, starting with a letter or digit")
        }
    }
}
