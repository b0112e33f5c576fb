import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct LineageChartTests {
    private func layers(_ count: Int, _ arrows: [(from: Int, to: Int)]) -> [Int] {
        let layout = LayeredLayout(count: count, arrows: arrows)
        return (0..<count).map { layout.places[$0].layer }
    }

    @Test func arrowsRunFromLeftToRight() {
        #expect(layers(4, [(0, 1), (1, 2), (2, 3)]) == [0, 1, 2, 3])
        // What nothing leads to stands right before what it leads to.
        #expect(layers(5, [(0, 1), (1, 2), (2, 3), (4, 3)]) == [0, 1, 2, 3, 2])
        #expect(layers(3, []) == [0, 0, 0])
        #expect(layers(0, []).isEmpty)
    }

    @Test func anArrowThatClosesACircleRunsBack() {
        let layout = LayeredLayout(count: 3, arrows: [(0, 1), (1, 2), (2, 0)])
        #expect((0..<3).map { layout.places[$0].layer } == [0, 1, 2])
        // Through a place of its own in the layer between.
        #expect(layout.routes[2].count == 3 && layout.routes[2].first == 2 && layout.routes[2].last == 0)
    }

    /// Random graphs, circles among them: every arrow goes through every layer between its ends, one by one.
    @Test func everyRouteGoesLayerByLayer() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<50 {
            let count = 1 + next(30)
            var arrows: Set<[Int]> = []
            for _ in 0..<next(80) {
                let pair = [next(count), next(count)]
                if pair[0] != pair[1] { arrows.insert(pair) }
            }
            let list = arrows.sorted { $0.lexicographicallyPrecedes($1) }.map { (from: $0[0], to: $0[1]) }
            let layout = LayeredLayout(count: count, arrows: list)
            for (arrow, route) in zip(list, layout.routes) {
                #expect(route.first == arrow.from && route.last == arrow.to, "seed \(seed)")
                let steps = zip(route, route.dropFirst()).map { layout.places[$1].layer - layout.places[$0].layer }
                #expect(Set(steps).count == 1 && abs(steps[0]) == 1, "seed \(seed): \(steps)")
            }
            #expect(Set(layout.layers.joined()).count == layout.places.count, "seed \(seed)")
            #expect(layout.layers.allSatisfy { !$0.isEmpty }, "seed \(seed)")
        }
    }

    @Test func everyThingIsALinkToItsPage() {
        let graph = Samples().lineage
        var chart = LineageChart(graph)
        let markup = chart.markup().text
        for href in [
            "/models/flights-late/versions/2", "/runs/r1", "/datasets/flights_training?version=3",
            "/deployments/flights-late",
            "/logged-models/m-1", "/lineage?node=external-dataset%3Aweather%2F8a1f",
            // What is not there has no page.
            "/lineage?node=model%3Aproduction%2F1",
        ] { #expect(markup.contains("href=\"\(href)\""), "\(href)") }
        #expect(markup.components(separatedBy: "<a ").count == graph.nodes.count + 1)
        #expect(markup.components(separatedBy: "<path").count == graph.edges.count + 1)
        #expect(markup.contains("read for training") && chart.width > 900)
    }

    /// Forty trials in three groups, thirteen models: some of each, and a box that counts the rest.
    @Test func manyAlikeAreFolded() {
        var chart = LineageChart(Samples().largeLineage)
        let markup = chart.markup().text
        for word in [">9 more runs<", ">8 more runs<", ">6 more logged models<", ">trial 0<", ">model 1<", ">late@2<"] {
            #expect(markup.contains(word), "\(word)")
        }
        #expect(!markup.contains(">trial 39<"))
        #expect(markup.components(separatedBy: "href=\"#everything\"").count == 5)
    }
}
