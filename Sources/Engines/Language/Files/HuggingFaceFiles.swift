import Core
import Foundation

/// The JSON files beside a Hugging Face checkpoint. Absent files are nil; damaged ones throw.
struct HuggingFaceFiles {
    let directory: String
    let config: ConfigurationSource
    let generation: ConfigurationSource?
    let tokenizer: ConfigurationSource?
    /// `chat_template.jinja`, where newer checkpoints keep it.
    let chatTemplate: String?
    /// Of sentence-transformers: how token vectors become one, and whether that is scaled to length 1.
    let pooling: ConfigurationSource?
    let normalizes: Bool
    let sentence: ConfigurationSource?

    init(_ directory: String) throws {
        self.directory = directory
        guard let config = try Self.json(directory + "/config.json") else {
            throw NestboxError.invalid(
                "\(directory) holds no model: config.json is missing",
                hint: "name a .gguf file, or a directory with config.json and *.safetensors")
        }
        self.config = config
        generation = try Self.json(directory + "/generation_config.json")
        tokenizer = try Self.json(directory + "/tokenizer_config.json")
        chatTemplate = try Self.text(directory + "/chat_template.jinja")
        sentence = try Self.json(directory + "/sentence_bert_config.json")
        let modules = try Self.value(directory + "/modules.json")?.arrayValue ?? []
        let poolingModule = modules.first { $0["type"]?.stringValue?.hasSuffix(".Pooling") == true }
        let path = poolingModule?["path"]?.stringValue ?? "1_Pooling"
        // The path comes from a file: it may name a directory beside that file only.
        guard !path.contains("/"), !path.hasPrefix(".") else {
            throw NestboxError.invalid("\(directory)/modules.json: `\(path.prefix(80))` is not the name of a directory")
        }
        pooling = try Self.json("\(directory)/\(path)/config.json")
        normalizes = modules.contains { $0["type"]?.stringValue?.hasSuffix(".Normalize") == true }
    }

    static let largest = 64 << 20

    static func json(_ path: String) throws -> ConfigurationSource? {
        guard let value = try value(path) else { return nil }
        guard value.objectValue != nil else {
            throw NestboxError.invalid("\(path): the JSON is \(value.kind), not an object")
        }
        return ConfigurationSource(json: value, file: path)
    }

    private static func value(_ path: String) throws -> JSONValue? {
        guard let data = try data(path) else { return nil }
        // Python writes infinities into some of these.
        return try JSONReader.parse(data, what: path, acceptsNonFinite: true)
    }

    private static func text(_ path: String) throws -> String? {
        guard let data = try data(path) else { return nil }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw NestboxError.invalid("\(path) is not text in UTF-8")
        }
        return text
    }

    private static func data(_ path: String) throws -> Data? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try FileMapping.contents(path, most: largest)
    }
}
