import Core
import Storage

extension Store {
    /// A store in `directory` with the given migrations; the name keeps two stores of one test apart.
    package convenience init(
        in directory: TemporaryDirectory, _ migrations: [Migration], name: String = "test.db", ambient: Ambient = .live
    ) throws {
        try self.init(
            path: directory.file(name), durability: .checkpoint, migrations: migrations, events: EventHub(),
            ambient: ambient)
    }
}
