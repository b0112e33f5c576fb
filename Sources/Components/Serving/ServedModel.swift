import Contracts
import Core
import Foundation
import Tables
import Tabular

/// One model version, ready to answer: decoded, warmed and immutable, so that it is shared without a lock.
final class ServedModel: Sendable {
    let model: TabularModel
    let reader: RowReader
    let lookup: FeatureLookup?
    let signature: ModelSignature
    /// The bytes of `ModelFolder.baseline`, or nil when the folder has none.
    let baseline: [UInt8]?

    private init(model: TabularModel, reader: RowReader, lookup: FeatureLookup?, baseline: [UInt8]?) {
        self.model = model
        self.reader = reader
        self.lookup = lookup
        self.baseline = baseline
        signature = ModelSignature(
            task: model.task == .binary ? .binary : .regression, target: model.target,
            inputs: model.inputs.map { input in
                var range: [Double]?
                if let minimum = input.minimum, let maximum = input.maximum { range = [minimum, maximum] }
                return .init(name: input.name, type: input.type, categories: input.categories, range: range)
            })
    }

    /// Reads the model folder of `version`. Throws `invalid_argument` when it is not a tabular model, or when `lookup`
    /// does not fit the model or the feature definitions.
    static func load(
        _ version: ModelVersion, lookup: [String], artifacts: any ArtifactStore, features: (any FeatureStore)?
    ) async throws -> ServedModel {
        let folder = try ArtifactPath.path(ofURI: version.artifactURI)
        guard let bytes = try await file(ModelFolder.model, in: folder, artifacts) else {
            throw NestboxError.invalid(
                "model `\(version.name)` version \(version.version) is not a Nestbox tabular model: \(version.artifactURI) has "
                    + "no `\(ModelFolder.model)`",
                hint: "deploy a version that a Nestbox training job registered")
        }
        let baseline = try await file(ModelFolder.baseline, in: folder, artifacts)
        let model = try await ComputePool.shared.run {
            let model = try TabularModel.decode(bytes)
            // The first prediction pays for page faults and lazily made tables; it should not be a client's.
            _ = try model.predict(cells: [Cell](repeating: .null, count: model.inputs.count))
            return model
        }
        let reader = RowReader(model.inputs.map { Field($0.name, $0.type) })
        return ServedModel(
            model: model, reader: reader,
            lookup: try await FeatureLookup(references: lookup, inputs: reader.inputs, features: features),
            baseline: baseline.map { [UInt8]($0) })
    }

    private static func file(_ name: String, in folder: String, _ artifacts: any ArtifactStore) async throws -> Data? {
        do {
            return try await artifacts.read("\(folder)/\(name)")
        } catch let error as NestboxError where error.code == .notFound {
            return nil
        }
    }

    /// Row by row, for small requests. Cells lie row after row.
    func answer(_ rows: [[String: JSONValue]], found: FoundFeatures) throws -> (cells: [Cell], outputs: [Double]) {
        let cells = try reader.cells(rows, found: found)
        let width = reader.inputs.count
        if rows.count == 1 { return (cells, [try model.predict(cells: cells)]) }
        let outputs = try rows.indices.map { row in
            try model.predict(cells: Array(cells[row * width..<(row + 1) * width]))
        }
        return (cells, outputs)
    }

    /// Column by column, for large requests; call it on a compute thread.
    func answerBatch(_ rows: [[String: JSONValue]], found: FoundFeatures) throws -> (cells: [Cell], outputs: [Double]) {
        let cells = try reader.cells(rows, found: found)
        return (cells, try model.predict(try reader.table(cells, rowCount: rows.count)))
    }
}
