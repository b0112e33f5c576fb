import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// What pages of experiments and runs share.
enum TrackingPageRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.hidden(.get, "/experiments/{id}/runs/{run}", "A run by MLflow's kind of address") { call in
                .redirect(to: Format.link("runs", try call.parameter("run")))
            }
        ]
    }

    static func optional<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
        do { return try await body() } catch let error as NestboxError where error.code == .notFound { return nil }
    }
}
