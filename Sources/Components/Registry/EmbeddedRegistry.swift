import Contracts
import Core
import Storage

/// `ModelRegistry` on SQLite. Every change, its row of history and its event are one transaction.
package final class EmbeddedRegistry: ModelRegistry {
    let store: Store
    let ambient: Ambient
    let proposer: VersionProposer?

    /// - Parameters:
    ///   - store: `nestbox.db`, opened with `migrations`.
    ///   - proposer: finds out what changed between versions; without one, every version counts as a minor change.
    package init(store: Store, ambient: Ambient, proposer: VersionProposer? = nil) {
        self.store = store
        self.ambient = ambient
        self.proposer = proposer
    }
}
