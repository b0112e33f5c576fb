import Core

/// Whether a parser may go on: a finished one may not, and one that failed repeats its error.
struct ParserState {
    private var isFinished = false
    private var failure: NestboxError?

    /// - Parameter what: the parsed text in a sentence: "the CSV was".
    mutating func step<T>(_ what: String, isLast: Bool = false, _ body: () throws -> T) throws -> T {
        if let failure { throw failure }
        guard !isFinished else { throw NestboxError.invalid("\(what) already finished") }
        do {
            let value = try body()
            isFinished = isLast
            return value
        } catch let error as NestboxError {
            failure = error
            throw error
        }
    }
}
