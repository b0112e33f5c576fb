import Contracts
import Core

/// How the curves of metrics are drawn, as the address of a page has it: `x=time&smooth=0.6&log=1&from=100&to=900`.
package struct CurveQuery: Sendable {
    let axis: CurveChart.Axis
    /// From 0, not at all, to below 1.
    let smoothing: Double
    let isLogarithmic: Bool
    /// What is zoomed to; nil is everything.
    package let steps: ClosedRange<Int64>?
    let from: String
    let to: String

    package init(_ query: PageQuery) {
        axis = query["x"].flatMap(CurveChart.Axis.init) ?? .step
        let weight = query["smooth"].flatMap(Double.init) ?? 0
        smoothing = weight.isFinite ? min(max(weight, 0), 0.999) : 0
        isLogarithmic = query.has("log")
        let low = query["from"].flatMap { Int64($0) }, high = query["to"].flatMap { Int64($0) }
        from = low.map { String($0) } ?? ""
        to = high.map { String($0) } ?? ""
        let (first, last) = (low ?? .min, high ?? .max)
        steps = low == nil && high == nil ? nil : min(first, last)...max(first, last)
    }

    /// The parameters of an address that belong to it.
    static let names: Set<String> = ["x", "smooth", "log", "from", "to"]

    var axes: [Choice] { CurveChart.Axis.allCases.map { Choice($0.rawValue, $0.label, $0 == axis) } }
    var smoothingText: String { Format.fixed(smoothing, 2) }
}
