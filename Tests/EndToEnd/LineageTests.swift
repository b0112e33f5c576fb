import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// From the rows to the deployment, over HTTP, of what a training job made.
@Suite(.serialized) struct LineageTests {
    @Test func aTrainedModelIsFollowedBackToItsData() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let remote = server.remote
        try await train(on: server)
        _ = try await remote.serving.deploy(.init(name: "lineage-api", model: "lineage", version: "latest"))
        let version = try await remote.registry.version("lineage", 1)
        let run = try #require(version.runID)
        let up = try await remote.lineage.graph(LineageRequest(node: "deployment:lineage-api", direction: .upstream))
        #expect(up.nodes.map(\.id).contains("dataset:lineage/1") && up.nodes.map(\.id).contains("run:\(run)"))
        #expect(up.nodes[0].id == "deployment:lineage-api" && up.cuts.isEmpty)
        let down = try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/1", direction: .downstream))
        #expect(Set(down.nodes.map(\.id)) == Set(up.nodes.map(\.id)))
        #expect(Set(down.edges) == Set(up.edges))
        await expectError(.notFound) { try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/2")) }
        await expectError(.invalidArgument, mentions: "names nothing") {
            try await remote.lineage.graph(LineageRequest(node: "lineage"))
        }
        await expectError(.invalidArgument, mentions: "depth") {
            try await remote.lineage.graph(LineageRequest(node: "dataset:lineage/1", depth: 99))
        }
    }

    private func train(on server: ServerProcess) async throws {
        let remote = server.remote
        var text = "x,y\n"
        for index in 0..<400 { text += "\(Double(index % 37) / 37),\(index % 37 > 18 ? 1 : 0)\n" }
        _ = try await remote.datasets.importVersion(
            DatasetImport(name: "lineage", format: .csv, source: "made by the test"), body: ByteStream(Data(text.utf8)))
        let job = try await remote.jobs.train(
            recipe: """
                name: lineage
                dataset: lineage
                target: y
                task: binary
                features: [x]
                split: {by: seed, seed: 1, validation: 0.1, test: 0.1}
                learner: gradient_boosting
                parameters: {num_trees: 5}
                register_as: lineage
                """)
        let ended = try await eventually("the training's end") {
            let now = try await remote.jobs.job(id: job.id)
            return now.state.isFinal ? now : nil
        }
        try #require(ended.state == .succeeded, "\(String(describing: ended.error))")
    }
}
