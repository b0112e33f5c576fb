import Contracts

/// Somebody else's server for what this one would keep by itself: an MLflow server that a team has outgrown Nestbox to, or
/// had before. Jobs, serving, data and monitoring stay here.
package struct ExternalTracking: Sendable {
    package var tracking: any Tracking & LoggedModelStore
    package var registry: any ModelRegistry
    package var traces: any TraceStore
    /// Nil when that server gives no access to files: then they are stored here.
    package var artifacts: (any ArtifactStore)?
    /// For people; holds no credentials.
    package var address: String
    /// Whether it answers; takes two seconds at most.
    package var answers: @Sendable () async -> Bool
    /// The same, but asks only when it did not answer before.
    package var isBack: @Sendable () async -> Bool

    package init(
        tracking: any Tracking & LoggedModelStore, registry: any ModelRegistry, traces: any TraceStore,
        artifacts: (any ArtifactStore)?, address: String, answers: @escaping @Sendable () async -> Bool,
        isBack: @escaping @Sendable () async -> Bool
    ) {
        self.tracking = tracking
        self.registry = registry
        self.traces = traces
        self.artifacts = artifacts
        self.address = address
        self.answers = answers
        self.isBack = isBack
    }
}
