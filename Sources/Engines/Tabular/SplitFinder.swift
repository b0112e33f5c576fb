/// A way to split a leaf. `leftBins` has bit `b` set where bin `b` of the feature goes left; missing values have a bin too.
struct Split {
    var gain: Double
    var feature: Int
    /// The last numeric bin that goes left; -1 for categoricals.
    var bin: Int
    var leftBins: BinSet
    var leftG: Int64
    var leftH: Int64
    /// The L2 penalty of the children's values.
    var l2: Double
}

/// A set of bin numbers below 256.
struct BinSet: Equatable {
    var words: SIMD4<UInt64> = .zero

    func contains(_ bin: Int) -> Bool { words[bin >> 6] >> UInt64(bin & 63) & 1 == 1 }

    mutating func insert(_ bin: Int) { words[bin >> 6] |= 1 << UInt64(bin & 63) }
}

/// Finds the best split of one leaf on one feature from its histogram.
///
/// Histogram entries hold the sum of quantised gradients in the upper 32 bits (signed) and of hessians in the lower 32.
/// The gain of a split is G²/(H+λ) of both children minus that of the leaf; a categorical's bins are sorted by gradient
/// over hessian, which makes the best subset a prefix (Fisher 1958), with LightGBM's smoothing constants.
struct SplitFinder {
    // LightGBM's cat_smooth, cat_l2, max_cat_threshold, max_cat_to_onehot and min_data_per_group.
    static let categorySmoothing = 10.0
    static let categoryL2 = 10.0
    static let maximumCategoriesLeft = 32
    static let maximumOneHot = 4
    static let minimumGroup = 100

    let parameters: BoostingParameters
    /// Units of the quantised sums.
    let unitG: Double
    let unitH: Double

    /// Totals of a leaf.
    struct Leaf {
        var count: Int
        var g: Int64
        var h: Int64
    }

    static func gradient(_ entry: Int64) -> Int64 { entry >> 32 }
    static func hessian(_ entry: Int64) -> Int64 { entry & 0xFFFF_FFFF }

    func best(_ index: Int, _ feature: BinnedMatrix.Feature, _ hist: UnsafePointer<Int64>, _ leaf: Leaf) -> Split? {
        guard leaf.h > 0 else { return nil }
        let entries = hist + feature.offset
        return feature.isCategorical
            ? bestCategorical(index, feature, entries, leaf) : bestNumeric(index, feature, entries, leaf)
    }

    /// -G / (H + λ), the step that lowers the loss most.
    func leafValue(g: Int64, h: Int64, l2: Double) -> Double {
        let denominator = Double(h) * unitH + l2
        return denominator > 0 ? -Double(g) * unitG / denominator : 0
    }

    private func score(_ g: Double, _ h: Double, _ l2: Double) -> Double { g * g / (h + l2) }

    /// What a split must beat: the leaf's own score plus the least gain asked for.
    private func floor(_ leaf: Leaf) -> Double {
        score(Double(leaf.g) * unitG, Double(leaf.h) * unitH, parameters.lambdaL2) + parameters.minGainToSplit
    }

    private func bestNumeric(
        _ index: Int, _ feature: BinnedMatrix.Feature, _ hist: UnsafePointer<Int64>, _ leaf: Leaf
    ) -> Split? {
        let missing = hist[feature.valueBins]
        let floor = floor(leaf)
        var best = (score: floor, bin: -1, missingLeft: false, g: Int64(0), h: Int64(0))
        let perHessian = Double(leaf.count) / Double(leaf.h)
        let minimumH = parameters.minSumHessianInLeaf / unitH
        let minimumCount = Double(parameters.minDataInLeaf) - 0.5
        let (l2, unitG, unitH) = (parameters.lambdaL2, unitG, unitH)
        for missingLeft in missing != 0 ? [false, true] : [false] {
            // With missing values on the right, all present ones on the left is a split too.
            let bins = missing != 0 && !missingLeft ? feature.valueBins : feature.valueBins - 1
            var left: Int64 = missingLeft ? missing : 0
            for bin in 0..<max(0, bins) {
                if hist[bin] == 0 { continue }
                left += hist[bin]
                let leftH = Self.hessian(left), rightH = leaf.h - leftH
                if Double(rightH) * perHessian < minimumCount || Double(rightH) < minimumH || rightH <= 0 { break }
                if Double(leftH) * perHessian < minimumCount || Double(leftH) < minimumH || leftH <= 0 { continue }
                let leftG = Self.gradient(left), rightG = leaf.g - leftG
                let gl = Double(leftG) * unitG, gr = Double(rightG) * unitG
                let hl = Double(leftH) * unitH + l2, hr = Double(rightH) * unitH + l2
                let score = (gl * gl * hr + gr * gr * hl) / (hl * hr)
                if score > best.score { best = (score, bin, missingLeft, leftG, leftH) }
            }
        }
        guard best.bin >= 0 else { return nil }
        var leftBins = BinSet()
        for bin in 0...best.bin { leftBins.insert(bin) }
        // Without missing values here, those met later follow the larger side.
        if missing != 0 ? best.missingLeft : best.h > leaf.h - best.h { leftBins.insert(feature.valueBins) }
        return Split(
            gain: best.score - floor + parameters.minGainToSplit, feature: index, bin: best.bin, leftBins: leftBins,
            leftG: best.g, leftH: best.h, l2: parameters.lambdaL2)
    }

    private func bestCategorical(
        _ index: Int, _ feature: BinnedMatrix.Feature, _ hist: UnsafePointer<Int64>, _ leaf: Leaf
    ) -> Split? {
        let perHessian = Double(leaf.count) / Double(leaf.h)
        func count(_ h: Int64) -> Int { Int(Double(h) * perHessian + 0.5) }
        let used = (0..<feature.bins).filter { hist[$0] != 0 }
        let floor = floor(leaf)
        var best = Split(gain: floor, feature: index, bin: -1, leftBins: BinSet(), leftG: 0, leftH: 0, l2: 0)
        func consider(_ left: Int64, _ bins: ArraySlice<Int>, l2: Double) {
            let leftH = Self.hessian(left), leftG = Self.gradient(left), rightH = leaf.h - leftH
            let least = parameters.minSumHessianInLeaf / unitH
            guard leftH > 0, rightH > 0, Double(leftH) >= least, Double(rightH) >= least,
                count(leftH) >= parameters.minDataInLeaf, count(rightH) >= parameters.minDataInLeaf
            else { return }
            let score =
                score(Double(leftG) * unitG, Double(leftH) * unitH, l2)
                + score(Double(leaf.g - leftG) * unitG, Double(rightH) * unitH, l2)
            guard score > best.gain else { return }
            best.gain = score
            best.leftBins = BinSet()
            for bin in bins { best.leftBins.insert(bin) }
            (best.leftG, best.leftH, best.l2) = (leftG, leftH, l2)
        }
        if used.count <= Self.maximumOneHot {
            for position in used.indices {
                consider(hist[used[position]], used[position...position], l2: parameters.lambdaL2)
            }
        } else {
            let ratios = used.map { bin in
                Double(Self.gradient(hist[bin])) * unitG
                    / (Double(Self.hessian(hist[bin])) * unitH + Self.categorySmoothing)
            }
            let order = used.indices
                .filter { count(Self.hessian(hist[used[$0]])) >= Int(Self.categorySmoothing) }
                .sorted { ratios[$0] != ratios[$1] ? ratios[$0] < ratios[$1] : $0 < $1 }
                .map { used[$0] }
            scanPrefixes(order, hist, leaf, count, consider)
            scanPrefixes(order.reversed(), hist, leaf, count, consider)
        }
        guard best.gain > floor else { return nil }
        best.gain += parameters.minGainToSplit - floor
        return best
    }

    private func scanPrefixes(
        _ order: [Int], _ hist: UnsafePointer<Int64>, _ leaf: Leaf, _ count: (Int64) -> Int,
        _ consider: (Int64, ArraySlice<Int>, Double) -> Void
    ) {
        var left: Int64 = 0, group = 0
        let most = min(Self.maximumCategoriesLeft, (order.count + 1) / 2)
        for position in 0..<min(most, order.count) {
            left += hist[order[position]]
            group += count(Self.hessian(hist[order[position]]))
            if count(leaf.h - Self.hessian(left)) < max(parameters.minDataInLeaf, Self.minimumGroup) { break }
            guard group >= Self.minimumGroup else { continue }
            group = 0
            consider(left, order[0...position], parameters.lambdaL2 + Self.categoryL2)
        }
    }
}
