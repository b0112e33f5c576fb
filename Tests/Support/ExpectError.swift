import Core
import Testing

/// Expects a `NestboxError` with `code` whose sentence, or hint, names each of `mentions`.
package func expectError<T>(
    _ code: NestboxError.Code, mentions: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> T
) async {
    do {
        _ = try await body()
        Issue.record("expected \(code.rawValue), but nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as NestboxError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for word in mentions {
            #expect("\(error.message) \(error.hint ?? "")".contains(word), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("expected \(code.rawValue), got \(error)", sourceLocation: sourceLocation)
    }
}
