import Contracts
import Core
import Registry
import TestSupport
import Testing

struct VersionProposerTests {
    private func facts(
        _ inputs: String? = nil, outputs: String = "[]", metrics: [String: Double] = [:], algorithm: Set<String> = []
    ) throws -> VersionProposer.Facts {
        var facts = VersionProposer.Facts()
        facts.interface = try ModelInterface(
            signature: inputs.map { ["inputs": .string($0), "outputs": .string(outputs), "params": .null] })
        facts.metrics = metrics
        facts.algorithm = algorithm
        return facts
    }

    private func judge(_ a: VersionProposer.Facts, _ b: VersionProposer.Facts) -> SemanticProposal {
        VersionProposer.judge(a, b, previous: 4)
    }

    private let age = #"{"type": "long", "name": "age", "required": true}"#
    private let city = #"{"type": "string", "name": "city", "required": true}"#

    @Test func whatCallersNoticeIsMajor() throws {
        let old = try facts("[\(age), \(city)]", outputs: #"[{"type": "double", "name": "p"}]"#)
        for (inputs, outputs, word) in [
            ("[\(age)]", #"[{"type": "double", "name": "p"}]"#, "`city` is gone"),
            (
                "[\(city), {\"type\": \"double\", \"name\": \"age\"}]", #"[{"type": "double", "name": "p"}]"#,
                "was long and is double"
            ),
            (
                "[\(age), \(city), {\"type\": \"long\", \"name\": \"zip\"}]", #"[{"type": "double", "name": "p"}]"#,
                "required input `zip` is new"
            ),
            ("[\(age), \(city)]", "[]", "output `p` is gone"),
            ("[\(age), \(city)]", #"[{"type": "long", "name": "p"}]"#, "output `p` was double and is long"),
        ] {
            let proposal = try judge(old, facts(inputs, outputs: outputs))
            #expect(proposal.bump == .major && proposal.reason.contains(word), "\(proposal)")
        }
        #expect(try judge(old, facts()).bump == .major)
        let optional = try facts(#"[{"type": "long", "name": "age", "required": false}]"#)
        #expect(try judge(optional, facts("[\(age)]")).bump == .major)
    }

    @Test func whatCallersMayUseIsMinor() throws {
        let old = try facts(
            "[\(age)]", metrics: ["auc": 0.8, "log_loss": 0.4], algorithm: ["sklearn", "LogisticRegression"])
        let wider = #"[\#(age), {"type": "string", "name": "city", "required": false}]"#
        let cases: [(VersionProposer.Facts, String)] = [
            (try facts(wider), "optional input `city` is new"),
            (try facts("[\(age)]", outputs: #"[{"type": "double", "name": "p"}]"#), "output `p` is new"),
            (try facts("[\(age)]", metrics: ["auc": 0.85]), "`auc` 0.8 → 0.85 (better)"),
            (try facts("[\(age)]", metrics: ["auc": 0.75]), "(worse)"),
            (try facts("[\(age)]", metrics: ["log_loss": 0.3]), "(better)"),
            (try facts("[\(age)]", algorithm: ["sklearn", "RandomForest"]), "LogisticRegression, and is RandomForest"),
        ]
        for (new, word) in cases {
            let proposal = judge(old, new)
            #expect(proposal.bump == .minor && proposal.reason.contains(word), "\(proposal)")
        }
        #expect(try judge(facts(), facts("[\(age)]")).bump == .minor)
    }

    @Test func theSameAgainIsAPatch() throws {
        let old = try facts("[\(age), \(city)]", metrics: ["auc": 0.8, "fit_seconds": 3, "system/cpu": 0.5])
        let same = judge(old, try facts("[\(city), \(age)]", metrics: ["auc": 0.80001]))
        #expect(same.bump == .patch && same.reason.contains("same inputs and outputs") && same.previous == 4)
        #expect(same.text.hasPrefix("proposed patch: against version 4"))
        let unknown = try judge(facts(), facts())
        #expect(unknown.bump == .patch && unknown.reason.contains("no metrics to compare"))
    }

    @Test func tensorsAndParametersCount() throws {
        func tensor(_ shape: String) -> String {
            #"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": \#(shape)}}]"#
        }
        let old = try facts(tensor("[-1, 4]"))
        #expect(judge(old, old).bump == .patch)
        #expect(try judge(old, facts(tensor("[-1, 5]"))).bump == .major)
        var before = old, after = old
        let params: (String) -> JSONValue = { ["inputs": "[]", "params": .string($0)] }
        before.interface = try ModelInterface(signature: params(#"[{"name": "k", "type": "long", "default": 3}]"#))
        after.interface = try ModelInterface(signature: params(#"[{"name": "k", "type": "long", "default": 4}]"#))
        #expect(judge(before, after).bump == .minor)
        after.interface = try ModelInterface(signature: params(#"[{"name": "n", "type": "long", "default": 3}]"#))
        #expect(judge(before, after).bump == .major)
    }

    @Test func aDamagedSignatureIsRefused() async {
        for text in ["[", "3", #"["x"]"#] {
            await expectError(.invalidArgument) { try ModelInterface(signature: ["inputs": .string(text)]) }
        }
    }
}
