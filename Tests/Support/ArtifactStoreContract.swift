import Contracts
import Core
import Foundation
import Testing

/// What every `ArtifactStore` keeps to. Works below `root`, so that it can run against a store in use.
package func checkArtifactStore(_ store: any ArtifactStore, root: String = "contract") async throws {
    try await checkArtifactRoundTrip(store, root: root + "/round-trip")
    try await checkArtifactRanges(store, root: root + "/ranges")
    try await checkArtifactFolders(store, root: root + "/folders")
    try await checkArtifactRefusals(store, root: root + "/refusals")
    try await checkArtifactUploadFailure(store, root: root + "/failure")
    try await checkArtifactGarbage(store, root: root + "/garbage")
}

/// What is stored comes back byte for byte, small, empty and larger than any buffer; a second put replaces the first.
package func checkArtifactRoundTrip(_ store: any ArtifactStore, root: String) async throws {
    let hello = try await store.put("\(root)/a/hello wörld.txt", Data("hello".utf8))
    #expect(hello.path == "\(root)/a/hello wörld.txt")
    #expect(hello.size == 5 && !hello.isDirectory)
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    #expect(hello.digest == (ContractProfile.lacks(.digests) ? nil : digest))
    #expect(try await store.read(hello.path) == Data("hello".utf8))
    #expect(try await store.entry(hello.path) == hello)

    let empty = try await store.put("\(root)/empty", Data())
    #expect(empty.size == 0)
    #expect(try await store.read(empty.path) == Data())

    // Chunks of every odd size, 3 MB in all, of unknown length.
    var generator = SeededGenerator(seed: 7)
    var chunks: [[UInt8]] = []
    var whole: [UInt8] = []
    while whole.count < 3_000_000 {
        let chunk = (0..<Int.random(in: 1...200_000, using: &generator)).map { _ in
            UInt8.random(in: 0...255, using: &generator)
        }
        chunks.append(chunk)
        whole += chunk
    }
    let large = try await store.put("\(root)/large.bin", stream(of: chunks))
    #expect(large.size == Int64(whole.count))
    let opened = try await store.open(large.path, range: nil)
    #expect(opened.entry == large)
    #expect(opened.body.length == Int64(whole.count))
    #expect(try await opened.body.collect(upTo: 10_000_000) == whole)

    let replaced = try await store.put(hello.path, Data("other".utf8))
    #expect(ContractProfile.lacks(.digests) ? replaced.digest == nil : replaced.digest != digest)
    #expect(try await store.read(hello.path) == Data("other".utf8))
}

/// Ranges are half-open, cut at the end of the file, and refused when they begin beyond it.
package func checkArtifactRanges(_ store: any ArtifactStore, root: String) async throws {
    let path = "\(root)/digits"
    _ = try await store.put(path, Data("0123456789".utf8))
    let cases: [(Range<Int64>, String)] = [
        (0..<10, "0123456789"), (3..<6, "345"), (8..<100, "89"), (9..<10, "9"), (0..<1, "0"),
    ]
    for (range, expected) in cases {
        let body = try await store.open(path, range: range).body
        #expect(String(decoding: try await body.collect(upTo: 100), as: UTF8.self) == expected, "range \(range)")
    }
    await expectCode(.invalidArgument) { try await store.open(path, range: 11..<12) }
}

/// Folders are there as long as something lies below them, are listed by immediate children, and go as a whole.
package func checkArtifactFolders(_ store: any ArtifactStore, root: String) async throws {
    for name in ["b.txt", "a/one", "a/two", "a/deep/er/three", "a-b", "a.txt", "a0", "ab/x"] {
        _ = try await store.put("\(root)/\(name)", Data(name.utf8))
    }
    let top = try await store.list(root)
    #expect(top.map(\.path) == ["a", "a-b", "a.txt", "a0", "ab", "b.txt"].map { "\(root)/\($0)" })
    #expect(top.filter(\.isDirectory).map(\.path) == ["\(root)/a", "\(root)/ab"])
    #expect(top.first { $0.path == "\(root)/b.txt" }?.size == 5)
    #expect(top.allSatisfy { $0.isDirectory == ($0.size == nil) })
    #expect(try await store.list("\(root)/a").map(\.path) == ["deep", "one", "two"].map { "\(root)/a/\($0)" })
    #expect(try await store.list("\(root)/nothing").isEmpty)
    #expect(try await store.entry("\(root)/a/deep").isDirectory)
    #expect(try await store.list("").contains { root.hasPrefix($0.path) && $0.isDirectory })

    try await store.delete("\(root)/a")
    #expect(try await store.list(root).map(\.path) == ["a-b", "a.txt", "a0", "ab", "b.txt"].map { "\(root)/\($0)" })
    await expectCode(.notFound) { try await store.entry("\(root)/a") }
    await expectCode(.notFound) { try await store.open("\(root)/a/one", range: nil) }
    // Deleting what is not there is not an error.
    try await store.delete("\(root)/a")
}

/// Paths that leave the store, and paths that would be a file and a folder at once.
package func checkArtifactRefusals(_ store: any ArtifactStore, root: String) async throws {
    for path in ["\(root)/../x", "\(root)//x", "\(root)/./x", "\(root)/a\u{7}", ""] {
        await expectCode(.invalidArgument) { try await store.put(path, Data("x".utf8)) }
    }
    _ = try await store.put("\(root)/file", Data("x".utf8))
    await expectCode(.conflict) { try await store.put("\(root)/file/below", Data("y".utf8)) }
    await expectCode(.conflict) { try await store.put("\(root)/file/further/below", Data("y".utf8)) }
    _ = try await store.put("\(root)/folder/file", Data("x".utf8))
    await expectCode(.conflict) { try await store.put("\(root)/folder", Data("y".utf8)) }
    await expectCode(.invalidArgument) { try await store.open("\(root)/folder", range: nil) }
    await expectCode(.notFound) { try await store.open("\(root)/nothing", range: nil) }
    #expect(try await store.read("\(root)/file") == Data("x".utf8))
}

/// A body that breaks off leaves nothing, and leaves alone what was there.
package func checkArtifactUploadFailure(_ store: any ArtifactStore, root: String) async throws {
    struct Broken: Error {}
    @Sendable func broken() -> ByteStream {
        let source = ChunkSource([[UInt8](repeating: 1, count: 2_000_000)])
        return ByteStream {
            guard let chunk = source.next() else { throw Broken() }
            return chunk
        }
    }
    await #expect(throws: (any Error).self) { try await store.put("\(root)/new", broken()) }
    await expectCode(.notFound) { try await store.entry("\(root)/new") }
    _ = try await store.put("\(root)/old", Data("kept".utf8))
    await #expect(throws: (any Error).self) { try await store.put("\(root)/old", broken()) }
    #expect(try await store.read("\(root)/old") == Data("kept".utf8))
}

/// Contents stay as long as one path refers to them.
package func checkArtifactGarbage(_ store: any ArtifactStore, root: String) async throws {
    guard !ContractProfile.lacks(.garbageCollection) else {
        return await expectNotImplemented { try await store.collectGarbage() }
    }
    _ = try await store.collectGarbage()
    let shared = Data("shared by two paths \(root)".utf8)
    _ = try await store.put("\(root)/one", shared)
    _ = try await store.put("\(root)/two", shared)
    try await store.delete("\(root)/one")
    #expect(try await store.collectGarbage() == ReclaimedSpace(objects: 0, bytes: 0))
    #expect(try await store.read("\(root)/two") == shared)
    try await store.delete("\(root)/two")
    #expect(try await store.collectGarbage() == ReclaimedSpace(objects: 1, bytes: Int64(shared.count)))
    #expect(try await store.collectGarbage() == ReclaimedSpace(objects: 0, bytes: 0))
}

private func expectCode<T>(
    _ code: NestboxError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> T
) async {
    do {
        _ = try await body()
        Issue.record("expected \(code.rawValue), but nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as NestboxError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code.rawValue), got \(error)", sourceLocation: sourceLocation)
    }
}

private func stream(of chunks: [[UInt8]]) -> ByteStream {
    let source = ChunkSource(chunks)
    return ByteStream { source.next() }
}

private final class ChunkSource: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var chunks: [[UInt8]]
    init(_ chunks: [[UInt8]]) { self.chunks = chunks.reversed() }
    func next() -> [UInt8]? { chunks.popLast() }
}
