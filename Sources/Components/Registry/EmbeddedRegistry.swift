import Contracts
import Core
import Storage

/// `ModelRegistry` on SQLite. Every change, its row of history and its event are one transaction.
package final class EmbeddedRegistry: ModelRegistry {
    let store: Store
    let ambient: Ambient

    /// - Parameter store: `nestbox.db`, opened with `migrations`.
    package init(store: Store, ambient: Ambient) {
        self.store = store
        self.ambient = ambient
    }
}
