import Contracts

/// What the registry knows beyond MLflow's protocol: who moved an alias or a stage, when and why.
enum ModelRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        [
            .get(
                "/api/v1/models/{name}/transitions", "Models", "Every move of an alias or a stage, newest first",
                returns: [ModelTransition].self
            ) { call in try await appliance.registry.transitions(of: try call.parameter("name")) }
        ]
    }
}
