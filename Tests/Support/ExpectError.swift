import Core
import Testing

/// Expects a `NestboxError` with `code` whose sentence, or hint, names each of `mentions`, where the sentences are Nestbox's.
package func expectError<T>(
    _ code: NestboxError.Code, mentions: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> T
) async {
    do {
        _ = try await body()
        Issue.record("expected \(code.rawValue), but nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as NestboxError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for word in mentions where !ContractProfile.lacks(.wording) {
            #expect("\(error.message) \(error.hint ?? "")".contains(word), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("expected \(code.rawValue), got \(error)", sourceLocation: sourceLocation)
    }
}

/// Expects the answer to what the implementation does not offer: `not_implemented`, with what to do instead.
package func expectNotImplemented<T>(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async {
    await #expect(sourceLocation: sourceLocation) {
        _ = try await body()
    } throws: { error in
        let error = error as? NestboxError
        return error?.code == .notImplemented && error?.hint?.isEmpty == false
    }
}
