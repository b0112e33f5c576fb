import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite struct CoreTests {
    @Test func identifiersAre32HexDigitsAndSortByTime() {
        let ambient = Ambient.fixed()
        let ids = (0..<100).map { _ in ambient.newID() }
        #expect(ids.allSatisfy { $0.count == 32 && $0.allSatisfy(\.isHexDigit) })
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == 100)
    }

    @Test func notFoundNamesTheNearest() {
        let error = NestboxError.notFound("column", "dep_dely", among: ["carrier", "dep_delay", "origin", "dest"])
        #expect(error.hint?.hasPrefix("did you mean `dep_delay`") == true)
        #expect(error.code.httpStatus == 404)
    }

    @Test func settingsPreferFlagsThenEnvironmentThenFile() throws {
        let settings = try Settings(
            flags: ["port": "1", "host": nil],
            environment: ["NESTBOX_PORT": "2", "NESTBOX_HOST": "b", "NESTBOX_GRPC_PORT": "7"],
            file: ("port: 3\nhost: c\ndata: /d\n", "nestbox.yaml"), known: ["port", "host", "data", "grpc-port"])
        #expect(try settings.integer("port", in: 0...10) == 1)
        #expect(settings.string("host") == "b")
        #expect(settings.string("data") == "/d")
        #expect(try settings.integer("grpc-port", in: 0...10) == 7)
    }

    @Test func settingsSayWhereAWrongValueStands() throws {
        let settings = try Settings(flags: [:], environment: ["NESTBOX_PORT": "many"], file: nil, known: ["port"])
        #expect {
            try settings.integer("port", in: 0...65535)
        } throws: { error in
            (error as? NestboxError)?.message
                == "NESTBOX_PORT in the environment is `many`; expected a whole number from 0 to 65535"
        }
        #expect {
            try Settings(flags: [:], environment: [:], file: ("prot: 1", "nestbox.yaml"), known: ["port", "data"])
        } throws: { error in
            let error = error as? NestboxError
            return error?.message == "nestbox.yaml: there is no setting named `prot`"
                && error?.hint?.contains("`port`") == true
        }
    }

    @Test func parallelForVisitsEveryIndexOnceAlsoWhenNested() {
        let pool = ComputePool(threads: 3)
        let counts = Mutex([Int](repeating: 0, count: 40 * 25))
        pool.parallelFor(40) { outer in
            pool.parallelFor(25) { inner in counts.withLock { $0[outer * 25 + inner] += 1 } }
        }
        #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
    }

    @Test func computeDoesNotHoldUpTheCooperativePool() async throws {
        let pool = ComputePool(threads: 2)
        let stop = Flag()
        let busy = (0..<8).map { _ in Task { try await pool.run { while !stop.isSet { usleep(500) } } } }
        // Reached only because the pool's own threads, not this one's, are busy.
        #expect(await Task { 1 }.value == 1)
        stop.set()
        for task in busy { try await task.value }
    }

    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    @Test func durableWriteReplacesWholeOrNotAtAll() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.json")
        try DurableFile.write(Data("one".utf8), to: path)
        try DurableFile.write(Data("two".utf8), to: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
        #expect(throws: NestboxError.self) { try DurableFile.write(Data("x".utf8), to: directory.file("no/such/b")) }
        #expect(directory.files == ["a.json"])
    }

    @Test func aFullDiskIsStorageFull() {
        // /dev/full refuses every write with ENOSPC.
        let descriptor = open("/dev/full", O_WRONLY)
        defer { close(descriptor) }
        #expect {
            try DurableFile.writeAll(Data("x".utf8), to: descriptor, path: "/dev/full")
        } throws: { ($0 as? NestboxError)?.code == .storageFull }
    }

    @Test func secondLockOnADirectoryNamesTheHolder() throws {
        let directory = try TemporaryDirectory()
        let lock = try DirectoryLock(directory: directory.path)
        #expect {
            try DirectoryLock(directory: directory.path)
        } throws: { error in
            (error as? NestboxError)?.message.hasSuffix("is in use by process \(getpid())") == true
        }
        withExtendedLifetime(lock) {}
    }

    @Test func byteStreamReadsARangeOfAFile() async throws {
        let directory = try TemporaryDirectory()
        try DurableFile.write(Data((0..<1000).map { UInt8($0 % 251) }), to: directory.file("f"))
        let stream = try ByteStream(file: directory.file("f"), offset: 10, count: 500, chunk: 7)
        #expect(stream.length == 500)
        #expect(try await stream.collect(upTo: 500) == (10..<510).map { UInt8($0 % 251) })
        await #expect(throws: NestboxError.self) {
            try await ByteStream(file: directory.file("f")).collect(upTo: 999)
        }
    }
}
