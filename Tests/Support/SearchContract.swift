import Contracts
import Core
import Foundation
import Testing

// Filters, orders and page tokens, as MLflow has them: what every implementation of `Tracking` and `ModelRegistry` finds.

package func checkRunSearch(_ tracking: any Tracking) async throws {
    let experiment = try await newExperiment(tracking, "search")
    let ids = try await makeRunsToSearch(tracking, experiment.id)
    func names(_ filter: String, _ order: [String] = ["run_name"]) async throws -> String {
        try await tracking.runs(RunSearch(experimentIDs: [experiment.id], filter: filter, orderBy: order))
            .items.map(\.name).joined()
    }
    for (filter, expected) in runFilters(ids) {
        #expect(try await names(filter) == expected, "\(filter)")
    }
    #expect(try await names("metrics.auc > 0", ["metrics.auc DESC"]) == "ba")
    #expect(try await names("tags.`a b` IS NOT NULL", ["params.learner DESC", "tags.`a b`"]) == "dbca")

    // As many clauses as are allowed, too: a page after the first compares with each of them.
    for more in [[], (0..<19).map { "metrics.other\($0)" }] {
        var paged = "", token: String?
        repeat {
            let page = try await tracking.runs(
                RunSearch(
                    experimentIDs: [experiment.id], filter: "params.depth IS NOT NULL", maxResults: 1,
                    orderBy: ["metrics.auc DESC"] + more, pageToken: token))
            paged += page.items.map(\.name).joined()
            token = page.nextPageToken
        } while token != nil
        #expect(paged == "bacd", "numbers, then NaN, then nothing")
    }

    if ContractProfile.lacks(.mistakes) {
        await expectError(.internalError) { try await names("start_time < 99999999999999999999") }
    }
    for (filter, place) in badRunFilters {
        await expectError(.invalidArgument, mentions: place) {
            try await tracking.runs(RunSearch(experimentIDs: [experiment.id], filter: filter))
        }
    }
    if ContractProfile.lacks(.mistakes) {
        #expect(try await names("tags.a = 'x' and") == "")
    } else {
        await expectError(.invalidArgument, mentions: "position 17") { try await names("tags.a = 'x' and") }
    }
    for clause in ["metrics.val-auc", "datasets.name", "auc", "metrics.auc UP", "metrics.auc, run_name"] {
        await expectError(.invalidArgument, mentions: clause) {
            try await tracking.runs(RunSearch(experimentIDs: [experiment.id], orderBy: [clause]))
        }
    }
    await expectError(ContractProfile.lacks(.mistakes) ? .internalError : .invalidArgument) {
        try await tracking.runs(RunSearch(experimentIDs: [experiment.id], orderBy: ["run_name", "run_name DESC"]))
    }
    let first = try await tracking.runs(RunSearch(experimentIDs: [experiment.id], maxResults: 1))
    #expect(first.nextPageToken != nil)
    await expectForeignToken {
        try await tracking.runs(
            RunSearch(
                experimentIDs: [experiment.id], filter: "metrics.auc > 0", maxResults: 1, pageToken: first.nextPageToken
            ))
    }
}

/// Runs a to e, the later letters started later; returns their ids.
private func makeRunsToSearch(_ tracking: any Tracking, _ experiment: String) async throws -> [String] {
    let rows: [(name: String, auc: Double?, params: [String: String], tag: String?, dataset: String?)] = [
        ("a", 0.5, ["learner": "Linear", "depth": "2"], "100%", "train"),
        ("b", 0.9, ["learner": "linear", "depth": "10"], "100 %", "test"),
        ("c", .nan, ["learner": "it's", "depth": "3"], "[x]*?", nil),
        ("d", nil, ["learner": "ünïcode", "depth": "2"], "it\"s", "train"),
        ("e", -.infinity, [:], nil, nil),
    ]
    var ids: [String] = []
    for (index, row) in rows.enumerated() {
        let run = try await tracking.createRun(
            NewRun(
                experimentID: experiment, name: row.name, user: "ada",
                startTime: Timestamp(milliseconds: Int64(1000 + index))))
        try await tracking.log(
            runID: run.id,
            LogBatch(
                metrics: row.auc.map { [point("auc", $0), point("val/auc", $0, step: 3)] } ?? [], params: row.params,
                tags: (row.tag.map { ["a b": $0] } ?? [:]).merging(["team.name": row.name]) { $1 }))
        if let dataset = row.dataset {
            try await tracking.logInputs(
                runID: run.id,
                [
                    RunInput(
                        name: dataset, digest: "d-\(dataset)", sourceType: "local", source: "x",
                        tags: ["mlflow.data.context": "for \(dataset)"]),
                    RunInput(name: "both", digest: "0", sourceType: "local", source: "x"),
                ])
        }
        if row.name == "b" {
            _ = try await tracking.updateRun(
                id: run.id, RunUpdate(status: .finished, endTime: Timestamp(milliseconds: 5000)))
        }
        ids.append(run.id)
    }
    return ids
}

private func runFilters(_ ids: [String]) -> [(String, String)] {
    [
        ("", "abcde"),
        ("metrics.auc > 0.5", "b"), ("metrics.auc >= 0.5", "ab"), ("metric.auc < 0.9", "ae"), ("metrics.auc = .5", "a"),
        ("metrics.auc != 0.5", "bce"), ("metrics.auc <= 9e-1", "abe"), ("metrics.auc = 0", ""),
        ("metrics.auc>-1 AND metrics.auc<0.9", "a"), ("metrics.`val/auc` > 0.5", "b"), ("metrics.none != 1", ""),
        ("metrics.\"val/auc\" < 0", "e"),
        ("params.learner = 'Linear'", "a"), ("param.learner != 'Linear'", "bcd"), ("params.learner LIKE 'lin%'", "b"),
        ("parameters.learner ILIKE 'LIN%'", "ab"), ("params.learner = \"it's\"", "c"),
        ("params.learner LIKE '_n_code'", "d"), ("params.learner LIKE '_n_co__'", "d"), ("params.depth IS NULL", "e"),
        ("params.depth is not null", "abcd"),
        ("tags.`a b` = '100%'", "a"), ("tags.`a b` LIKE '100%'", "ab"), ("tags.`a b` LIKE '[x]*?'", "c"),
        ("tags.`a b` LIKE '%*%'", "c"), ("tags.`a b` = 'it\"s'", "d"), ("tags.`a b` IS NULL", "e"),
        ("tags.team.name = 'c'", "c"), ("tag.`team.name` != 'c'", "abde"), ("tags.\"team.name\" ILIKE 'C'", "c"),
        ("status = 'FINISHED'", "b"), ("attributes.status != 'FINISHED'", "acde"), ("attr.status LIKE 'RUN%'", "acde"),
        ("run.run_name = 'd'", "d"), ("run_name LIKE '_'", "abcde"), ("`run name` ILIKE 'D'", "d"),
        ("attributes.start_time > 1002", "de"), ("created <= 1000", "a"), ("start_time != 1002.0", "abde"),
        ("end_time > 0", "b"), ("end_time != 0", "b"), ("user_id = 'ada'", "abcde"),
        ("run_id IN ('\(ids[0])', '\(ids[4])', 'none')", "ae"), ("run_id NOT IN ('\(ids[0])')", "bcde"),
        ("attributes.run_id = '\(ids[2])'", "c"), ("artifact_uri LIKE '%\(ids[1])%'", "b"),
        ("datasets.name = 'train'", "ad"), ("dataset.name != 'train'", "abd"), ("datasets.name LIKE 't%'", "abd"),
        ("datasets.digest IN ('d-train', 'd-test')", "abd"), ("datasets.digest NOT IN ('0')", "abd"),
        ("datasets.context = 'for test'", "b"), ("datasets.context ILIKE 'FOR T%'", "abd"),
        ("datasets.name = 'train' and datasets.name = 'both'", "ad"),
        ("metrics.auc > 0 and params.depth = '2' and tags.team.name IS NOT NULL and status = 'RUNNING'", "a"),
        ("metrics.auc > 9223372036854775808", ""),
    ] + (ContractProfile.lacks(.mistakes) ? [] : [("start_time < 99999999999999999999", "abcde")])
}

private let badRunFilters = [
    ("  ", "position 3"),
    ("metrics.auc > 'x'", "position 15"), ("metrics.auc > 1 or metrics.auc < 0", "position 17"),
    ("(metrics.auc > 1)", "position 1"), ("metrics.auc LIKE 1", "position 13"), ("metrics.auc == 1", "position 13"),
    ("tags.a IN ('x')", "position 8"), ("status IN ('FINISHED')", "position 8"), ("params.a > '1'", "position 10"),
    ("metrics.auc IS NULL", "position 13"), ("nothing = 'a'", "nothing"), ("models.name = 'a'", "models"),
    ("Metrics.auc > 1", "position 1"), ("tags.a = `x`", "position 10"), ("tags.a-b = 'x'", "position 7"),
    ("run_id IN ()", "position 12"), ("tags.a = 'x", "position 10"),
]

package func checkExperimentSearch(_ tracking: any Tracking) async throws {
    let mark = UUID().uuidString.prefix(8)
    var ids: [String] = []
    for (index, name) in ["b", "A", "c"].enumerated() {
        let made = try await tracking.createExperiment(
            name: "\(mark)-\(name)", artifactLocation: nil,
            tags: index == 2 ? ["mark.of": "\(mark)"] : ["mark.of": "\(mark)", "n": "\(index)"])
        ids.append(made.id)
    }
    func names(_ filter: String, _ order: [String] = ["name"]) async throws -> [String] {
        try await tracking.experiments(ExperimentSearch(filter: filter, orderBy: order)).items.map {
            String($0.name.suffix(1))
        }
    }
    let mine = "tags.mark.of = '\(mark)'"
    for (filter, expected) in [
        ("name LIKE '\(mark)-%'", "Abc"), ("name ILIKE '\(mark)-a'", "A"), ("attribute.name = '\(mark)-b'", "b"),
        ("name != '\(mark)-b' and \(mine)", "Ac"), (mine, "Abc"), ("\(mine) AND tag.n IS NULL", "c"),
        ("\(mine) and tags.n is not null", "Ab"), ("\(mine) and tags.n != '0'", "A"),
        ("\(mine) and tags.n LIKE '_'", "Ab"),
        ("experiment_id = '\(ids[1])'", "A"), ("experiment_id IN ('\(ids[0])', '\(ids[2])')", "bc"),
        ("\(mine) and experiment_id NOT IN ('\(ids[0])')", "Ac"), ("\(mine) and creation_time > 0", "Abc"),
        ("\(mine) and last_update_time < 0", ""),
    ] { #expect(try await names(filter).joined() == expected, "\(filter)") }
    #expect(try await names(mine, ["name DESC"]).joined() == "cbA")
    #expect(try await names(mine, ["experiment_id"]).joined() == "bAc")
    #expect(try await names(mine, ["attribute.experiment_id DESC"]).joined() == "cAb")
    var paged = "", token: String?
    repeat {
        let page = try await tracking.experiments(
            ExperimentSearch(filter: mine, maxResults: 1, orderBy: ["name DESC"], pageToken: token))
        paged += page.items.map { String($0.name.suffix(1)) }.joined()
        token = page.nextPageToken
        if let token {
            await expectForeignToken {
                try await tracking.experiments(ExperimentSearch(orderBy: ["name DESC"], pageToken: token))
            }
        }
    } while token != nil
    #expect(paged == "cbA")
    for (filter, place) in [
        ("metrics.a > 1", "position 1"), ("name IN ('a')", "position 6"), ("creation_time > 1.5", "position 17"),
        ("experiment_id = 'x'", "position 17"), ("experiment_id LIKE '1%'", "position 15"),
        ("tags.a > 'b'", "position 8"),
    ] {
        await expectError(.invalidArgument, mentions: place) {
            try await tracking.experiments(ExperimentSearch(filter: filter))
        }
    }
    await expectError(.invalidArgument, mentions: "tags.a") {
        try await tracking.experiments(ExperimentSearch(orderBy: ["tags.a"]))
    }
}

package func checkModelSearch(_ registry: any ModelRegistry) async throws {
    let mark = UUID().uuidString.prefix(8)
    for name in ["b", "A", "c", "prompt"] {
        let tags = ["mark": "\(mark)", "kind": name].merging(
            name == "prompt" ? ["mlflow.prompt.is_prompt": "true"] : [:]
        ) { $1 }
        _ = try await registry.createModel(name: "\(mark)-\(name)", description: "", tags: tags)
    }
    func names(_ filter: String, _ order: [String] = []) async throws -> String {
        try await registry.searchModels(ModelSearch(filter: filter, orderBy: order)).items
            .map { $0.name.dropFirst(9) }.joined()
    }
    let mine = "tags.mark = '\(mark)'"
    for (filter, expected) in [
        (mine, "Abc"), ("name LIKE '\(mark)-%'", "Abc"), ("name ILIKE '\(mark)-a'", "A"),
        ("name IN ('\(mark)-b', '\(mark)-c')", "bc"), ("\(mine) and name NOT IN ('\(mark)-b')", "Ac"),
        ("\(mine) AND name != '\(mark)-b'", "Ac"), ("\(mine) and tags.kind != 'A'", "bc"),
        ("\(mine) and tag.kind ILIKE 'a'", "A"), ("\(mine) and tags.none != 'x'", ""),
        ("\(mine) and tags.`mlflow.prompt.is_prompt` = 'true'", "prompt"),
        ("\(mine) and tags.`mlflow.prompt.is_prompt` != 'true'", "Abc"),
        ("\(mine) and tags.`mlflow.prompt.is_prompt` = 'false'", "Abc"),
        ("\(mine) and tags.`mlflow.prompt.is_prompt` != 'false'", "prompt"),
    ] { #expect(try await names(filter) == expected, "\(filter)") }
    #expect(try await names(mine, ["name DESC"]) == "cbA")
    // To the millisecond, so that the change must be a later one.
    try await Task.sleep(for: .milliseconds(2))
    _ = try await registry.updateModel("\(mark)-b", description: "changed")
    // A tag is no change of the model.
    try await registry.setModelTag("\(mark)-A", key: "late", value: "1")
    #expect(try await names(mine, ["last_updated_timestamp DESC"]).first == "b")
    var paged = "", token: String?
    repeat {
        let page = try await registry.searchModels(ModelSearch(filter: mine, maxResults: 1, pageToken: token))
        paged += page.items.map { $0.name.dropFirst(9) }.joined()
        token = page.nextPageToken
        if let token {
            await expectForeignToken {
                try await registry.searchModels(ModelSearch(pageToken: token))
            }
        }
    } while token != nil
    #expect(paged == "Abc")
    await expectError(ContractProfile.lacks(.mistakes) ? .internalError : .invalidArgument, mentions: "position 8") {
        try await registry.searchModels(ModelSearch(filter: "tags.a IS NULL"))
    }
    for (filter, place) in [
        ("description = 'a'", "position 1"), ("tags.a IN ('x')", "position 8"),
        ("name = 3", "position 8"), ("name = 'a' or name = 'b'", "position 12"),
    ] {
        await expectError(.invalidArgument, mentions: place) {
            try await registry.searchModels(ModelSearch(filter: filter))
        }
    }
    await expectError(.invalidArgument, mentions: "creation_timestamp") {
        try await registry.searchModels(ModelSearch(orderBy: ["creation_timestamp"]))
    }
}

package func checkVersionSearch(_ registry: any ModelRegistry) async throws {
    let mark = UUID().uuidString.prefix(8), source = "s3://models/abc/artifacts/"
    for name in ["p", "q"] {
        _ = try await registry.createModel(name: "\(mark)-\(name)", description: "", tags: [:])
        for number in 1...3 {
            _ = try await registry.createVersion(
                NewModelVersion(
                    name: "\(mark)-\(name)", source: "\(source)\(name)\(number)", runID: "run\(number)\(mark)",
                    tags: ["mark": "\(mark)"].merging(number == 2 ? ["gate": "open"] : [:]) { $1 }))
        }
    }
    func found(_ filter: String, _ order: [String] = ["name", "version_number"]) async throws -> String {
        try await registry.searchVersions(ModelSearch(filter: filter, orderBy: order)).items
            .map { "\($0.name.suffix(1))\($0.version)" }.joined(separator: " ")
    }
    let mine = "tags.mark = '\(mark)'"
    for (filter, expected) in [
        (mine, "p1 p2 p3 q1 q2 q3"), ("name = '\(mark)-p'", "p1 p2 p3"),
        ("name LIKE '\(mark)-%' and \(mine)", "p1 p2 p3 q1 q2 q3"),
        ("run_id IN ('run1\(mark)', 'run3\(mark)')", "p1 p3 q1 q3"), ("run_id = 'run2\(mark)'", "p2 q2"),
        ("\(mine) and run_id NOT IN ('run1\(mark)')", "p2 p3 q2 q3"), ("\(mine) and version_number > 2", "p3 q3"),
        ("\(mine) and version_number <= '1'", "p1 q1"), ("\(mine) and source_path LIKE '%q_'", "q1 q2 q3"),
        ("\(mine) and tags.gate = 'open'", "p2 q2"), ("name = '\(mark)-none'", ""),
    ] { #expect(try await found(filter) == expected, "\(filter)") }
    #expect(try await found(mine, ["version_number", "name DESC"]) == "q1 p1 q2 p2 q3 p3")
    #expect(try await found(mine, ["name DESC"]) == "q3 q2 q1 p3 p2 p1")
    #expect(try await found("name = '\(mark)-p'", []).split(separator: " ").count == 3)
    for (filter, place) in [
        ("version_number > 1.5", "position 18"), ("version_number > 'x'", "position 18"),
        ("current_stage = 'None'", "position 1"), ("source_path IN ('a')", "position 13"),
    ] {
        await expectError(.invalidArgument, mentions: place) {
            try await registry.searchVersions(ModelSearch(filter: filter))
        }
    }
}
