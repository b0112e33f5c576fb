import Contracts
import Core
import NIOHTTP1

/// Every seam of one server, over HTTP.
package struct Remote: Sendable {
    package let client: APIClient
    package let artifacts: RemoteArtifacts
    package let datasets: RemoteDatasets
    package let features: RemoteFeatures
    package let tracking: RemoteTracking
    package let provenance: RemoteProvenance
    package let exchange: RemoteExchange
    package let lineage: RemoteLineage
    package let traces: RemoteTraces
    package let registry: RemoteRegistry
    package let webhooks: RemoteWebhooks
    package let jobs: RemoteJobs
    package let serving: RemoteServing
    package let monitoring: RemoteMonitoring

    package init(_ client: APIClient) {
        self.client = client
        artifacts = RemoteArtifacts(client)
        datasets = RemoteDatasets(client)
        features = RemoteFeatures(client)
        tracking = RemoteTracking(client)
        provenance = RemoteProvenance(client)
        exchange = RemoteExchange(client)
        lineage = RemoteLineage(client)
        traces = RemoteTraces(client)
        registry = RemoteRegistry(client)
        webhooks = RemoteWebhooks(client)
        jobs = RemoteJobs(client)
        serving = RemoteServing(client)
        monitoring = RemoteMonitoring(client)
    }
}
