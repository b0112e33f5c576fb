import Core

/// What MLflow keeps, wherever it lies: a server, its database file, or the folder of its file store. Read, never written.
///
/// An item that cannot be read is a failure in its place and stops no other; what is thrown is about the whole answer.
package protocol MLflowSource: Sendable {
    typealias Found<Item> = Result<Item, NestboxError>

    /// The server's address, or the path of the file or folder.
    var address: String { get }
    /// What is there and is not read at all, each with the reason.
    func leftOut() async throws -> [String]
    /// All of them, the deleted ones too.
    func experiments() async throws -> [Found<Experiment>]
    /// The deleted ones too. Nobody needs their metrics, which `history` has.
    func runs(of experiment: Experiment, page: String?) async throws -> MLflowPage<Run>
    func metricKeys(of run: Run) async throws -> [String]
    /// Every point that was logged, and what among them cannot be read.
    func history(of run: Run, key: String) async throws -> (points: [MetricPoint], unreadable: [NestboxError])
    func loggedModels(of experiment: Experiment) async throws -> [Found<LoggedModel>]
    func traces(of experiment: Experiment, page: String?) async throws -> MLflowPage<MLflowTrace>
    func registeredModels(_ kind: MLflowModelKind) async throws -> [Found<RegisteredModel>]
    /// By number, without the deleted ones; each with the place of its files.
    func versions(of model: RegisteredModel, _ kind: MLflowModelKind) async throws -> [Found<ModelVersion>]
    /// The files below the artifact location of a run or logged model. Throws when that place cannot be read.
    func files(at location: String, of id: String) async throws -> [Found<MLflowFile>]
    func open(_ file: MLflowFile) async throws -> ByteStream
}

/// A page; `next` asks for the one after it and is nil on the last.
package struct MLflowPage<Item: Sendable>: Sendable {
    package var items: [Result<Item, NestboxError>]
    package var next: String?

    package init(items: [Result<Item, NestboxError>], next: String? = nil) {
        self.items = items
        self.next = next
    }
}

/// A prompt is a registered model with a tag.
package enum MLflowModelKind: Sendable {
    case model, prompt

    package static let promptTag = "mlflow.prompt.is_prompt"
}

package struct MLflowTrace: Sendable {
    package var info: TraceInfo
    /// They are kept elsewhere than what sums them up, and may be missing.
    package var spans: Result<[TraceSpan], NestboxError>

    package init(info: TraceInfo, spans: Result<[TraceSpan], NestboxError>) {
        self.info = info
        self.spans = spans
    }
}

package struct MLflowFile: Sendable, Hashable {
    /// Below the location that was asked for.
    package var path: String
    /// Bytes.
    package var size: Int64
    /// Where its source finds it again.
    package var place: String

    package init(path: String, size: Int64, place: String) {
        self.path = path
        self.size = size
        self.place = place
    }
}

package enum MLflowLocation {
    /// The scheme of a URI, in small letters: `s3`. Nil for a path; a letter alone is a drive.
    package static func scheme(_ location: String) -> String? {
        guard let colon = location.firstIndex(of: ":") else { return nil }
        let scheme = location[..<colon]
        let isOne =
            scheme.utf8.count > 1 && scheme.first?.isLetter == true
            && scheme.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "+-.".utf8.contains(byte)
            }
        return isOne ? scheme.lowercased() : nil
    }

    /// Whether files there are kept by a store, like S3, that clients read by themselves.
    package static func isElsewhere(_ location: String) -> Bool {
        guard let scheme = scheme(location) else { return false }
        return scheme != "file" && scheme != "mlflow-artifacts"
    }
}
