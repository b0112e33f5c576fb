import Core
import Foundation

extension PretrainedModel {
    /// The model's tokenizer: from GGUF metadata, from the `tokenizer.json` that our own files carry, or from the directory.
    public func tokenizer() throws -> Tokenizer {
        if directory == nil, let metadata = try TokenizerMetadata(file.metadata, file: path) {
            return try Tokenizer(metadata)
        }
        guard let json = try tokenizerJSON() else {
            throw NestboxError.invalid(
                "\(path) holds no tokenizer",
                hint: directory == nil
                    ? "the file has neither tokenizer.ggml.model nor tokenizer.huggingface.json"
                    : "tokenizer.json is missing: save the tokenizer with transformers' fast tokenizers")
        }
        guard let directory else { return try Tokenizer(file: json, name: path + ": tokenizer.huggingface.json") }
        let configuration = directory + "/tokenizer_config.json"
        let settings =
            FileManager.default.fileExists(atPath: configuration)
            ? try FileMapping.contents(configuration, most: HuggingFaceFiles.largest) : nil
        return try Tokenizer(file: json, configuration: settings, name: directory + "/tokenizer.json")
    }
}

extension TokenizerMetadata {
    /// Nil when the metadata says nothing about a tokenizer.
    init?(_ metadata: ModelMetadata, file: String) throws {
        let source = ConfigurationSource(metadata: metadata, file: file)
        let prefix = "tokenizer.ggml."
        guard let model = try source.text(prefix + "model") else { return nil }
        func fault(_ key: String, _ expected: String) -> NestboxError {
            .invalid("\(file): `\(prefix)\(key)` is \(metadata[prefix + key]?.excerpt ?? "absent"), not \(expected)")
        }
        func strings(_ key: String) throws -> ByteStrings {
            var strings = ByteStrings()
            guard let value = metadata[prefix + key] else { return strings }
            guard let array = value.array, array.forEachString({ strings.append($0) }) != nil else {
                throw fault(key, "an array of texts")
            }
            return strings
        }
        func id(_ key: String) throws -> Int64? {
            try source.integer(prefix + key + "_token_id", in: Int(Int32.min)...Int(UInt32.max)).map(Int64.init)
        }
        func flag(_ key: String) throws -> Bool? { try source.flag(prefix + key) }
        self.init(model: model)
        pre = try source.text(prefix + "pre")
        tokens = try strings("tokens")
        merges = try strings("merges")
        if let value = metadata[prefix + "scores"] {
            guard let floats = value.array?.floats() else { throw fault("scores", "an array of numbers") }
            scores = floats
        }
        if let value = metadata[prefix + "token_type"] {
            guard let integers = value.array?.integers() else { throw fault("token_type", "an array of whole numbers") }
            tokenTypes = integers.map(Int32.init(clamping:))
        }
        if let value = metadata[prefix + "precompiled_charsmap"] {
            guard let integers = value.array?.integers() else {
                throw fault("precompiled_charsmap", "an array of bytes")
            }
            precompiledCharsmap = integers.map(UInt8.init(truncatingIfNeeded:))
        }
        bosTokenID = try id("bos")
        eosTokenID = try id("eos")
        eotTokenID = try id("eot")
        eomTokenID = try id("eom")
        unknownTokenID = try id("unknown")
        // Spelled so in files.
        separatorTokenID = try id("seperator")
        paddingTokenID = try id("padding")
        clsTokenID = try id("cls")
        maskTokenID = try id("mask")
        addBOSToken = try flag("add_bos_token")
        addEOSToken = try flag("add_eos_token")
        addSEPToken = try flag("add_sep_token")
        addSpacePrefix = try flag("add_space_prefix")
        removeExtraWhitespaces = try flag("remove_extra_whitespaces")
        normalizerLowercase = try flag("normalizer.lowercase")
        normalizerStripAccents = try flag("normalizer.strip_accents")
    }
}
