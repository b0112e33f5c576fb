import Contracts
import Core
import Foundation
import Hummingbird
import Training

/// A recipe becomes a job: checked whole against its dataset first, with the dataset's version pinned.
enum TrainingRoutes {
    /// Bytes of a recipe, and of any job's payload: it is stored, listed and sent to workers.
    static let bodyLimit = 256 << 10

    static func routes(_ appliance: Appliance) -> [Route] {
        let jobs = appliance.jobs, datasets = appliance.datasets
        var route = Route(.post, "/api/v1/training", "Training", "Train from a recipe in YAML or JSON, as a job") {
            call in
            let given = try await call.read { body in
                guard let text = String(validating: body, as: UTF8.self) else {
                    throw NestboxError.invalid("the recipe is not UTF-8 text")
                }
                return try TrainingRecipe(yaml: text)
            }
            let recipe = try await given.resolved(in: datasets).recipe
            return try .json(try await jobs.submit(try recipe.jobRequest()), status: .created)
        }
        route.request = .init(type: "application/yaml", schema: ["type": "string", "description": "a training recipe"])
        route.response = .json(Job.self)
        route.status = .created
        route.bodyLimit = bodyLimit
        return [route]
    }
}
