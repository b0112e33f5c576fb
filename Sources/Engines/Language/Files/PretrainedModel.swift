import Core
import Foundation
import Tensors

/// A model on disk: a GGUF file, or a directory as Hugging Face lays it out. Opening it checks that every tensor which
/// the configuration asks for is there in the right shape; weights are read when they are asked for.
public struct PretrainedModel: Sendable {
    /// As given to `open`.
    public let path: String
    public let file: ModelFile
    public let configuration: ModelConfiguration
    public let names: TensorNames
    /// The directory of a Hugging Face checkpoint; nil for GGUF.
    public let directory: String?

    /// Throws `not_found`, or `invalid_argument` that says why this is no model, or no supported one.
    public static func open(_ path: String) throws -> PretrainedModel {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw NestboxError(.notFound, "there is no file or directory \(path)", hint: "check the path")
        }
        return isDirectory.boolValue ? try openDirectory(path) : try openFile(path)
    }

    private static func openFile(_ path: String) throws -> PretrainedModel {
        if path.hasSuffix(".safetensors") || path.hasSuffix(".json") {
            throw NestboxError.invalid(
                "\(path) is a part of a model", hint: "name the directory that holds it, config.json and the tokenizer")
        }
        let file = try GGUFFile.open(path)
        return try PretrainedModel(path, file, ModelConfiguration(gguf: file), directory: nil)
    }

    private static func openDirectory(_ path: String) throws -> PretrainedModel {
        if !FileManager.default.fileExists(atPath: path + "/config.json") {
            let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            let ggufs = entries.filter { $0.hasSuffix(".gguf") }.sorted()
            if ggufs.count == 1 { return try openFile(path + "/" + ggufs[0]) }
            if ggufs.count > 1 {
                throw NestboxError.invalid(
                    "\(path) holds \(ggufs.count) GGUF files", hint: "name one of them, such as \(path)/\(ggufs[0])")
            }
        }
        let configuration = try ModelConfiguration(huggingFace: path)
        return try PretrainedModel(path, SafetensorsFile.openDirectory(path), configuration, directory: path)
    }

    init(_ path: String, _ file: ModelFile, _ configuration: ModelConfiguration, directory: String?) throws {
        self.path = path
        self.file = file
        self.configuration = configuration
        self.directory = directory
        names = TensorNames(configuration.architecture)
        for expected in configuration.expectedTensors {
            guard let tensor = stored(expected.name) else {
                if expected.isOptional { continue }
                throw missing(expected.name)
            }
            let transposed = file.format == .safetensors && names.isTransposedInCheckpoints(expected.name)
            let shape = transposed ? expected.shape.reversed() : expected.shape
            guard tensor.shape == shape else {
                throw NestboxError.invalid(
                    "\(file.path): tensor `\(tensor.name)` has the shape \(shapeText(tensor.shape)), "
                        + "but the configuration asks for \(shapeText(shape))",
                    hint: "configuration and weights are of different models")
            }
            guard BlockCodec.supports(tensor.dtype) else {
                throw NestboxError.invalid(
                    "\(file.path): tensor `\(tensor.name)` is \(tensor.dtype.name), which weights are not")
            }
        }
    }

    /// A tensor by its name in Hugging Face's checkpoints, whatever the format. Matrices have their outputs first; those that
    /// a checkpoint keeps the other way round are copied. Query and key rows come in the order of `configuration.rope`.
    public func tensor(_ name: String) throws -> StoredTensor {
        guard let tensor = try optionalTensor(name) else { throw missing(name) }
        return tensor
    }

    /// The same, or nil when the model has no such tensor.
    public func optionalTensor(_ name: String) throws -> StoredTensor? {
        guard let tensor = stored(name) else { return nil }
        return file.format == .safetensors && names.isTransposedInCheckpoints(name) ? try tensor.transposed() : tensor
    }

    /// A tensor as it lies in the file.
    func stored(_ name: String) -> StoredTensor? {
        switch file.format {
        case .gguf: names.gguf(name).flatMap(file.tensor(named:))
        case .safetensors: names.checkpointNames(name).lazy.compactMap(file.tensor(named:)).first
        }
    }

    private func missing(_ name: String) -> NestboxError {
        let there = file.format == .gguf ? names.gguf(name) ?? name : name
        if let type = names.checkpointNames(name).lazy.compactMap({ file.otherTensors[$0] }).first {
            return .invalid("\(file.path): tensor `\(name)` is of type \(type), which is not supported")
        }
        return .invalid(
            "\(file.path): tensor `\(there)` is missing",
            hint: "a \(configuration.architecture.rawValue) model of \(configuration.layerCount) layers has it")
    }

    /// The contents of `tokenizer.json`, from the directory or from within a GGUF file; nil where there is none.
    public func tokenizerJSON() throws -> Data? {
        guard let directory else {
            return file.metadata["tokenizer.huggingface.json"]?.text.map { Data($0.utf8) }
        }
        let path = directory + "/tokenizer.json"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try FileMapping.contents(path, most: HuggingFaceFiles.largest)
    }
}
