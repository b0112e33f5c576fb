import Contracts
import Core
import Statistics

/// `/datasets`
package struct DatasetsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var description: String
        var versions: String
        var created: TimeText
    }

    package let template = "datasets"
    package let title = "Datasets"
    package let section = Section.datasets
    package let path = "/datasets"
    package let events = ["dataset"]

    let rows: [Row]
    let empty = Empty(
        "No dataset yet",
        "Import a CSV or JSON Lines file, gzipped or not. Types are inferred, every import is a numbered version that never changes.",
        command: "nestbox import samples/flights/flights.csv.gz")

    package init(_ datasets: [Dataset], now: Timestamp) {
        rows = datasets.map {
            Row(
                name: $0.name, href: Format.link("datasets", $0.name), description: $0.description,
                versions: Format.counted($0.latestVersion, "version"),
                created: TimeText($0.createdAt, now: now))
        }
    }
}

/// The first rows of a dataset as text; nil is a missing value.
package struct RowPreview: Sendable {
    package var columns: [String]
    package var rows: [[String?]]

    package init(columns: [String], rows: [[String?]]) {
        self.columns = columns
        self.rows = rows
    }
}

/// `/datasets/{name}`
package struct DatasetPage: DashboardPage {
    struct Version {
        var label: String
        var href: String
        var isShown: Bool
        var rows: String
        var size: String
        var source: String
        var hash: String
        var by: String
        var created: TimeText
    }

    struct Column {
        var name: String
        var type: String
        var missing: String
        var missingStyle: String
        var distinct: String
        var histogram: Markup?
        var range: String
        var middle: String
        var top: [TopValue]
        var hasTop: Bool
        var nonFinite: String?
    }

    struct TopValue {
        var value: String
        var share: String
    }

    struct PreviewCell {
        var text: String
        var style: String
    }

    struct PreviewRow { var cells: [PreviewCell] }

    package let template = "dataset"
    package let title: String
    package let section = Section.datasets
    package let path: String
    package let trail = [Crumb("Datasets", "/datasets")]
    package let events = ["dataset"]

    let description: String?
    let reference: String
    let lineageHref: String
    let stats: [Stat]
    let columns: [Column]
    let versions: [Version]
    let previewColumns: [String]
    let previewRows: [PreviewRow]
    let previewNote: String

    package init(
        _ dataset: Dataset, shown: DatasetVersion, versions: [DatasetVersion], profile: DatasetProfile,
        preview: RowPreview, now: Timestamp
    ) {
        title = dataset.name
        path = Format.link("datasets", dataset.name)
        description = dataset.description.isEmpty ? nil : dataset.description
        reference = "\(dataset.name)@\(shown.version)"
        lineageHref = LineageView.lineage("dataset:\(dataset.name)/\(shown.version)")
        stats = [
            Stat("Version", "\(shown.version)", "of \(dataset.latestVersion)"),
            Stat("Rows", Format.count(shown.rowCount)),
            Stat("Columns", Format.count(shown.schema.fields.count)), Stat("Size", Format.bytes(shown.byteCount)),
            Stat("Imported", Format.ago(shown.createdAt, now: now), "by \(Format.actor(shown.createdBy))"),
        ]
        columns = profile.columns.map { Self.column($0.name, $0.profile) }
        self.versions = versions.map { version in
            Version(
                label: "\(version.version)",
                href: "\(Format.link("datasets", dataset.name))?version=\(version.version)",
                isShown: version.version == shown.version, rows: Format.count(version.rowCount),
                size: Format.bytes(version.byteCount),
                source: version.source, hash: String(version.contentHash.prefix(12)),
                by: Format.actor(version.createdBy), created: TimeText(version.createdAt, now: now))
        }
        previewColumns = preview.columns
        previewRows = preview.rows.map { row in
            PreviewRow(
                cells: row.map {
                    $0.map { PreviewCell(text: Format.short($0, 60), style: "") }
                        ?? PreviewCell(text: "missing", style: "soft")
                })
        }
        previewNote = "the first \(Format.count(preview.rows.count)) of \(Format.count(shown.rowCount))"
    }

    static func column(_ name: String, _ profile: ColumnProfile) -> Column {
        let missing = profile.count > 0 ? Double(profile.nullCount) / Double(profile.count) : 0
        let isTime = profile.type.rawValue == "timestamp"
        func text(_ value: Double?) -> String {
            guard let value else { return "–" }
            guard isTime, abs(value) < 9e15 else { return Format.number(value) }
            return String(Format.date(Timestamp(milliseconds: Int64(value))).prefix(10))
        }
        func quantile(_ p: Double) -> Double? { profile.quantiles.first { abs($0.p - p) < 1e-9 }?.value }
        let values = profile.count - profile.nullCount
        let showsTop = profile.histogram == nil
        let top = profile.top.prefix(4).map {
            TopValue(
                value: Format.short($0.value, 24),
                share: Format.percent(values > 0 ? Double($0.count) / Double(values) : 0))
        }
        return Column(
            name: name, type: profile.type.rawValue, missing: Format.percent(missing),
            missingStyle: "width:\(SVG.at((missing * 100).rounded()))%", distinct: Format.count(profile.distinctCount),
            histogram: profile.histogram.map {
                Sparkline.histogram(
                    $0.counts, label: "Histogram of \(name) from \(text(profile.minimum)) to \(text(profile.maximum))")
            },
            range: profile.minimum == nil || profile.histogram == nil
                ? "" : "\(text(profile.minimum)) … \(text(profile.maximum))",
            middle: profile.quantiles.isEmpty || profile.histogram == nil
                ? "" : [0.05, 0.25, 0.5, 0.75, 0.95].map { text(quantile($0)) }.joined(separator: " · "),
            top: showsTop ? top : [], hasTop: showsTop && !top.isEmpty,
            nonFinite: profile.nonFiniteCount > 0 ? "\(Format.count(profile.nonFiniteCount)) not finite" : nil)
    }
}
