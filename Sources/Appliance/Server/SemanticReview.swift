import Contracts
import Core
import Logging
import Registry
import ServiceLifecycle
import Storage

/// The semantic versions of models, as they are looked at from outside, and once more when a run ends: a client that registers
/// its model first and logs its metrics afterwards had nothing to compare yet.
package struct SemanticReview: Service {
    let registry: any ModelRegistry
    let proposer: VersionProposer
    let events: EventHub
    let logger = Logger(label: "nestbox.semantic-versions")

    /// What one version has, and what would be proposed for it by what is known now.
    package struct Status: Codable, Sendable {
        package var version: Int
        /// Nil at an MLflow server, for what was registered there without Nestbox.
        package var semanticVersion: SemanticVersion?
        package var reason: String
        /// Nil for a first version.
        package var proposal: Proposal?

        package struct Proposal: Codable, Sendable {
            package var bump: SemanticVersion.Bump
            package var reason: String
            package var comparedWith: Int
            package var semanticVersion: SemanticVersion
        }
    }

    package func status(_ name: String, _ number: Int) async throws -> Status {
        let version = try await registry.version(name, number)
        var status = Status(
            version: number, semanticVersion: version.semantic, reason: version.tags[SemanticVersion.reasonTag] ?? "")
        if let (previous, proposal) = try await proposal(for: version) {
            status.proposal = Status.Proposal(
                bump: proposal.bump, reason: proposal.reason, comparedWith: previous.version,
                semanticVersion: (previous.semantic ?? .first).next(proposal.bump))
        }
        return status
    }

    /// Takes what was chosen: a version, or how far from the one before.
    package func choose(_ name: String, _ number: Int, _ choice: SemanticChoice) async throws -> ModelVersion {
        let semantic: SemanticVersion
        switch (choice.semanticVersion, choice.bump) {
        case (let chosen?, nil): semantic = chosen
        case (nil, let bump?):
            let version = try await registry.version(name, number)
            semantic = (try await previous(of: version)?.semantic).map { $0.next(bump) } ?? .first
        default:
            throw NestboxError.invalid(
                "the request must have either `semanticVersion` or `bump`",
                hint: #"send {"semanticVersion": "1.2.0"} or {"bump": "minor"}, and why: "reason""#)
        }
        let reason = choice.reason.flatMap { $0.isEmpty ? nil : $0 } ?? "set by \(Caller.name)"
        return try await registry.setSemanticVersion(name, number, to: semantic, reason: reason)
    }

    private func previous(of version: ModelVersion) async throws -> ModelVersion? {
        // Numbers have gaps where versions were deleted.
        try await registry.allVersions(of: version.name).first { $0.version < version.version }
    }

    private func proposal(for version: ModelVersion) async throws -> (ModelVersion, SemanticProposal)? {
        guard let before = try await previous(of: version) else { return nil }
        let previous = try await registry.version(before.name, before.version)
        let made = NewModelVersion(
            name: version.name, source: version.source, runID: version.runID, modelID: version.modelID,
            artifactURI: version.artifactURI)
        return (previous, await proposer.proposal(for: made, after: previous))
    }

    // MARK: When a run ends

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            for await event in events.subscribe(where: { $0.kind == "run.finished" }) {
                do {
                    try await review(run: String(event.subject.dropFirst("run/".count)))
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning("versions of \(event.subject) were not looked at again: \(error)")
                }
            }
        }
        // At a stop the events end before this service's turn; one that ends early counts as broken.
        try? await gracefulShutdown()
    }

    /// Raises what was proposed for the newest version of a model when its run turned out to have changed more. What somebody
    /// chose stays, and what is not the newest: others may count on it.
    func review(run id: String) async throws {
        for version in try await registry.versions(from: VersionOrigin(runID: id), limit: 20)
        where version.semanticIsProposed {
            guard let semantic = version.semantic,
                version.version == (try await registry.model(version.name).latestVersion),
                let (previous, proposal) = try await proposal(for: version),
                let before = previous.semantic, semantic < before.next(proposal.bump)
            else { continue }
            _ = try await registry.setSemanticVersion(
                version.name, version.version, to: before.next(proposal.bump), reason: proposal.text)
        }
    }
}
