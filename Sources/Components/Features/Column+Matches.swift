import Tables

extension Column {
    /// The cell of each matched row, null for -1.
    func gather(matches: [Int32]) -> Column {
        func valid(_ validity: Validity) -> Validity { Validity(matches.map { $0 >= 0 && validity[Int($0)] }) }
        switch self {
        case .int64(let values, let validity):
            return .int64(matches.map { $0 >= 0 ? values[Int($0)] : 0 }, valid(validity))
        case .float64(let values, let validity):
            return .float64(matches.map { $0 >= 0 ? values[Int($0)] : 0 }, valid(validity))
        case .bool(let values, let validity):
            return .bool(matches.map { $0 >= 0 && values[Int($0)] }, valid(validity))
        case .string(let column):
            return .string(
                StringColumn(codes: matches.map { $0 >= 0 ? column.codes[Int($0)] : -1 }, dictionary: column.dictionary)
            )
        case .timestamp(let values, let validity):
            return .timestamp(matches.map { $0 >= 0 ? values[Int($0)] : 0 }, valid(validity))
        }
    }

    /// Milliseconds and validity of a timestamp column; nil for other types.
    var times: (values: [Int64], validity: Validity)? {
        if case .timestamp(let values, let validity) = self { (values, validity) } else { nil }
    }
}
