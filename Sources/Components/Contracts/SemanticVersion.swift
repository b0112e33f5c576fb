import Core

/// What a model's version promises to those who call it, beside its number: MAJOR.MINOR.PATCH (https://semver.org).
///
/// The first is 1.0.0, not 0.1.0: what is registered is meant to be called, and below 1.0.0 nothing is promised, so that
/// `^0.1` would leave out every better model.
package struct SemanticVersion: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    /// The tags of a model version in which it and the reason for it are kept, so that MLflow's clients see both.
    package static let tag = "nestbox.semantic_version"
    package static let reasonTag = "nestbox.semantic_version_reason"
    package static let first = SemanticVersion(major: 1, minor: 0, patch: 0)
    /// Where one part must stop.
    package static let largestPart = 1_000_000_000

    package enum Bump: String, Codable, Sendable, CaseIterable, Comparable {
        case patch, minor, major

        package static func < (a: Bump, b: Bump) -> Bool {
            allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
        }
    }

    package var major: Int
    package var minor: Int
    package var patch: Int

    package init(major: Int, minor: Int, patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// `1.2.3`. Throws `invalid_argument` for everything else, pre-releases and builds among it.
    package init(parsing text: String) throws {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(Self.part)
        guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2] else {
            throw NestboxError.invalid(
                "`\(text.prefix(40))` is not a semantic version", hint: "expected MAJOR.MINOR.PATCH, like 1.4.0")
        }
        self.init(major: major, minor: minor, patch: patch)
    }

    static func part(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }), text == "0" || !text.hasPrefix("0"),
            let number = Int(text), number <= largestPart
        else { return nil }
        return number
    }

    package init(from decoder: any Decoder) throws {
        try self.init(parsing: try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    package var description: String { "\(major).\(minor).\(patch)" }

    package static func < (a: SemanticVersion, b: SemanticVersion) -> Bool {
        (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
    }

    package func next(_ bump: Bump) -> SemanticVersion {
        switch bump {
        case .major: SemanticVersion(major: major + 1, minor: 0, patch: 0)
        case .minor: SemanticVersion(major: major, minor: minor + 1, patch: 0)
        case .patch: SemanticVersion(major: major, minor: minor, patch: patch + 1)
        }
    }
}

/// Which semantic versions will do, as package managers write it: `1.2.3`, `^1.2` (below 2.0.0), `~1.2` (below 1.3.0), `1.2`
/// or `1.2.x`, and comparisons side by side: `>=1.2 <2`.
package struct SemanticRange: Sendable, Hashable {
    /// From the first on, up to but without the second.
    private var bounds: [(low: SemanticVersion?, high: SemanticVersion?)]

    /// Throws `invalid_argument` naming the part that is not understood.
    package init(parsing text: String) throws {
        let parts = text.split { $0 == " " || $0 == "," }
        bounds = try parts.map { try Self.bound($0, in: text) }
        guard !bounds.isEmpty else { throw Self.wrong("", in: text) }
    }

    package func contains(_ version: SemanticVersion) -> Bool {
        bounds.allSatisfy { bound in
            (bound.low.map { version >= $0 } ?? true) && (bound.high.map { version < $0 } ?? true)
        }
    }

    private static func bound(
        _ part: Substring, in text: String
    ) throws -> (low: SemanticVersion?, high: SemanticVersion?) {
        let sign = [">=", "<=", ">", "<", "^", "~", "="].first { part.hasPrefix($0) } ?? ""
        var numbers = part.dropFirst(sign.count).split(separator: ".", omittingEmptySubsequences: false)
        while let last = numbers.last, ["x", "X", "*"].contains(last) { numbers.removeLast() }
        let given = numbers.compactMap(SemanticVersion.part)
        guard given.count == numbers.count, given.count <= 3, !given.isEmpty || sign.isEmpty else {
            throw wrong(part, in: text)
        }
        let low = SemanticVersion(
            major: given.first ?? 0, minor: given.count > 1 ? given[1] : 0, patch: given.count > 2 ? given[2] : 0)
        // The first that the numbers given no longer describe: 1.2 describes 1.2.0 up to 1.3.0.
        let beyond = given.isEmpty ? nil : low.next(given.count == 1 ? .major : given.count == 2 ? .minor : .patch)
        switch sign {
        case ">=": return (low, nil)
        case ">": return (beyond, nil)
        case "<": return (nil, low)
        case "<=": return (nil, beyond)
        case "~": return (low, low.next(given.count == 1 ? .major : .minor))
        case "^":
            // Below 1.0.0, the first number that is not zero is the one that promises.
            let bump: SemanticVersion.Bump =
                low.major > 0 || given.count == 1 ? .major : low.minor > 0 || given.count == 2 ? .minor : .patch
            return (low, low.next(bump))
        default: return (low, beyond)
        }
    }

    private static func wrong(_ part: Substring, in text: String) -> NestboxError {
        .invalid(
            "`\(text.prefix(60))` is not a range of semantic versions"
                + (part.isEmpty || part == text ? "" : ": `\(part.prefix(40))` is not understood"),
            hint: "write 1.2.3, ^1.2, ~1.2, 1.x, or >=1.2 <2")
    }

    package static func == (a: SemanticRange, b: SemanticRange) -> Bool {
        a.bounds.elementsEqual(b.bounds) { $0.low == $1.low && $0.high == $1.high }
    }

    package func hash(into hasher: inout Hasher) {
        for bound in bounds {
            hasher.combine(bound.low)
            hasher.combine(bound.high)
        }
    }
}

/// How far a version is from the one before it, and why.
package struct SemanticProposal: Codable, Sendable, Hashable {
    package var bump: SemanticVersion.Bump
    /// In words.
    package var reason: String
    /// The version that it was compared with.
    package var previous: Int

    package init(bump: SemanticVersion.Bump, reason: String, previous: Int) {
        self.bump = bump
        self.reason = reason
        self.previous = previous
    }

    /// What the reason of a semantic version begins with that nobody chose.
    package static let mark = "proposed "

    /// As it is kept with the version.
    package var text: String { "\(Self.mark)\(bump.rawValue): \(reason)" }
}

/// What a person or a program decides instead.
package struct SemanticChoice: Codable, Sendable {
    /// Either this, or how far from the version before.
    package var semanticVersion: SemanticVersion?
    package var bump: SemanticVersion.Bump?
    package var reason: String?

    package init(
        semanticVersion: SemanticVersion? = nil, bump: SemanticVersion.Bump? = nil, reason: String? = nil
    ) {
        self.semanticVersion = semanticVersion
        self.bump = bump
        self.reason = reason
    }
}

extension ModelVersion {
    /// Nil for prompts, and for what was registered at an MLflow server without Nestbox.
    package var semantic: SemanticVersion? { tags[SemanticVersion.tag].flatMap { try? SemanticVersion(parsing: $0) } }

    /// Whether nobody chose its semantic version.
    package var semanticIsProposed: Bool { tags[SemanticVersion.reasonTag]?.hasPrefix(SemanticProposal.mark) ?? false }
}

extension ModelRegistry {
    /// Every version of a model, newest first.
    package func allVersions(of name: String) async throws -> [ModelVersion] {
        var found: [ModelVersion] = [], token: String?
        repeat {
            let page = try await versions(of: name, maxResults: 1000, pageToken: token)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        return found
    }

    /// The versions in `range`, the highest first.
    package func versions(of name: String, in range: SemanticRange) async throws -> [ModelVersion] {
        try await allVersions(of: name).compactMap { version in version.semantic.map { ($0, version) } }
            .filter { range.contains($0.0) }.sorted { $0.0 > $1.0 }.map(\.1)
    }
}
