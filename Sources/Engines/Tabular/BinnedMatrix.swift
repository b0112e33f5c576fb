import CKernels
import Core

/// Encoded columns as one byte per value: the bin of a number, the code of a category.
///
/// Bins of a feature: 0 ..< valueBins hold values, bin `valueBins` holds missing values (a categorical's bucket of other
/// categories is its last value bin). Kept twice: by column for partitioning, by row for histograms, where one cache line
/// then serves many features.
final class BinnedMatrix: @unchecked Sendable {
    // Unchecked: written only while `init` runs, and there each thread writes its own part.
    struct Feature: Sendable {
        /// Ascending upper bounds of all numeric bins but the last, which is open; empty for categoricals.
        var bounds: [Double]
        var isCategorical: Bool
        var valueBins: Int
        var hasMissing: Bool
        /// Where the feature's bins start in a histogram.
        var offset: Int
        var bins: Int { valueBins + 1 }
    }

    let rowCount: Int
    let features: [Feature]
    let totalBins: Int
    /// features.count × rowCount.
    let byColumn: UnsafeMutablePointer<UInt8>
    /// rowCount × features.count.
    let byRow: UnsafeMutablePointer<UInt8>
    let offsets: UnsafeMutablePointer<UInt32>

    /// `layout` nil learns the bins from these columns; otherwise those of the training matrix are used.
    init(
        _ columns: [[Double]], inputs: [ModelInput], rowCount: Int, maxBin: Int, seed: UInt64,
        layout: BinnedMatrix? = nil, rowMajor: Bool = true, pool: ComputePool
    ) {
        self.rowCount = rowCount
        let slots = Slots<Feature?>(count: columns.count, nil)
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, columns.count * rowCount))
        bytes.initialize(repeating: 0, count: max(1, columns.count * rowCount))
        let out = Slots<UInt8>(bytes)
        pool.parallelFor(columns.count) { index in
            let feature =
                layout?.features[index]
                ?? Self.learn(columns[index], input: inputs[index], maxBin: maxBin, seed: seed &+ UInt64(index))
            slots.base[index] = feature
            Self.fill(columns[index], feature, out.base + index * rowCount)
        }
        var learned: [Feature] = [], total = 0
        for index in columns.indices {
            guard var feature = slots.base[index] else { preconditionFailure("every feature was learned above") }
            feature.offset = total
            total += feature.bins
            learned.append(feature)
        }
        slots.deallocate()
        features = learned
        totalBins = total
        byColumn = bytes
        offsets = .allocate(capacity: max(1, learned.count))
        for (index, feature) in learned.enumerated() { (offsets + index).initialize(to: UInt32(feature.offset)) }
        let rowBytes = rowMajor ? max(1, learned.count * rowCount) : 1
        byRow = .allocate(capacity: rowBytes)
        byRow.initialize(repeating: 0, count: rowBytes)
        if rowMajor { interleave(pool) }
    }

    deinit {
        byColumn.deallocate()
        byRow.deallocate()
        offsets.deallocate()
    }

    private func interleave(_ pool: ComputePool) {
        let block = 16_384, count = features.count, rowCount = rowCount
        guard count > 0 else { return }
        pool.parallelFor((rowCount + block - 1) / block) { [self] index in
            let columns = (0..<count).map { Optional(UnsafePointer(byColumn + $0 * rowCount)) }
            let first = index * block
            nb_interleave(columns, count, first, min(block, rowCount - first), byRow)
        }
    }

    private static func learn(_ column: [Double], input: ModelInput, maxBin: Int, seed: UInt64) -> Feature {
        let hasMissing = column.contains(where: \.isNaN)
        if let categories = input.categories {
            return Feature(
                bounds: [], isCategorical: true, valueBins: categories.count + 1, hasMissing: hasMissing, offset: 0)
        }
        let bounds = quantileBounds(sample(column, seed: seed), maxBin: maxBin)
        return Feature(
            bounds: bounds, isCategorical: false, valueBins: bounds.count + 1, hasMissing: hasMissing, offset: 0)
    }

    /// At most 200,000 values, as LightGBM's bin_construct_sample_cnt; finite ones only, sorted.
    private static func sample(_ column: [Double], seed: UInt64) -> [Double] {
        let limit = 200_000
        var values: [Double] = []
        values.reserveCapacity(min(limit, column.count))
        if column.count <= limit {
            for value in column where !value.isNaN { values.append(value) }
        } else {
            // One row at random from each of `limit` equal stretches.
            var generator = SeededGenerator(seed: seed)
            let stretch = Double(column.count) / Double(limit)
            for index in 0..<limit {
                let row = min(column.count - 1, Int((Double(index) + generator.unit()) * stretch))
                if !column[row].isNaN { values.append(column[row]) }
            }
        }
        Preprocessor.sort(&values)
        return values
    }

    /// Bounds between bins of about equal counts, at least three values each; a value that alone would fill a bin gets its
    /// own. Follows LightGBM's GreedyFindBin.
    static func quantileBounds(_ sorted: [Double], maxBin: Int) -> [Double] {
        var values: [Double] = [], counts: [Int] = []
        for value in sorted {
            if values.last == value { counts[counts.count - 1] += 1 } else { values.append(value); counts.append(1) }
        }
        // One bin is set aside for missing values.
        let limit = maxBin - 1, minimum = 3
        var bounds: [Double] = [], current = 0
        func cut(after index: Int) {
            let (a, b) = (values[index], values[index + 1])
            let middle = a / 2 + b / 2
            // Halving subnormals rounds, so keep a <= bound < b by hand.
            bounds.append(middle >= a && middle < b ? middle : a)
            current = 0
        }
        if values.count <= limit {
            for index in values.indices.dropLast() {
                current += counts[index]
                if current >= minimum { cut(after: index) }
            }
            return bounds
        }
        var restBins = limit, rest = sorted.count
        var mean = Double(rest) / Double(limit)
        let isBig = counts.map { Double($0) >= mean }
        for (index, count) in counts.enumerated() where isBig[index] {
            restBins -= 1
            rest -= count
        }
        mean = restBins > 0 ? Double(rest) / Double(restBins) : .infinity
        for index in values.indices.dropLast() {
            if !isBig[index] { rest -= counts[index] }
            current += counts[index]
            let full =
                isBig[index] || Double(current) >= max(mean, Double(minimum))
                || (isBig[index + 1] && Double(current) >= max(1, mean / 2))
            guard full, bounds.count < limit - 1 else { continue }
            cut(after: index)
            if !isBig[index] {
                restBins -= 1
                if restBins > 0 { mean = Double(rest) / Double(restBins) }
            }
        }
        return bounds
    }

    private static func fill(_ column: [Double], _ feature: Feature, _ out: UnsafeMutablePointer<UInt8>) {
        let missing = UInt8(feature.valueBins)
        if feature.isCategorical {
            for row in column.indices { out[row] = column[row].isNaN ? missing : UInt8(column[row]) }
        } else {
            column.withUnsafeBufferPointer { values in
                feature.bounds.withUnsafeBufferPointer { bounds in
                    nb_bin(values.baseAddress, values.count, bounds.baseAddress, bounds.count, missing, out)
                }
            }
        }
    }
}

/// A buffer that several threads write, each its own elements.
struct Slots<Element>: @unchecked Sendable {
    // Unchecked: whoever makes one sees to it that no two threads touch the same element.
    let base: UnsafeMutablePointer<Element>

    init(count: Int, _ value: Element) {
        base = .allocate(capacity: max(1, count))
        base.initialize(repeating: value, count: max(1, count))
    }

    init(_ base: UnsafeMutablePointer<Element>) { self.base = base }

    func deallocate() { base.deallocate() }
}
