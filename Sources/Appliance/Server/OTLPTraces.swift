import Contracts
import Core
import Foundation

/// Spans as OpenTelemetry's exporters send them, from either encoding.
/// Source: opentelemetry-proto, collector/trace/v1, trace/v1, common/v1, resource/v1.
package struct OTLPTraces {
    /// What one process, or library, produced.
    package struct Group {
        package var resource: [String: JSONValue] = [:]
        package var spans: [TraceSpan] = []
    }

    package private(set) var groups: [Group] = []
    package private(set) var isEmpty = true
    package private(set) var spanCount = 0
    /// How many spans were left out, and why the first of them was.
    package private(set) var rejected: (count: Int, reason: String)?

    /// Of one request: more would keep the store's writer from everybody else.
    package static let mostSpans = 20_000
    /// Events and links of one request: an empty one takes two bytes on the wire and hundreds in memory.
    private static let mostParts = 200_000
    private var partCount = 0

    private static func tooManyParts() -> NestboxError {
        NestboxError(
            .payloadTooLarge, "the request holds more than \(mostParts) events and links",
            hint: "send smaller batches")
    }

    /// Of one attribute's value, as in `TraceRules`.
    private static let deepest = 56

    private mutating func append(_ span: TraceSpan?, to group: inout Group) throws {
        guard spanCount + (rejected?.count ?? 0) <= Self.mostSpans else {
            throw NestboxError(
                .payloadTooLarge, "the request holds more than \(Self.mostSpans) spans", hint: "send smaller batches")
        }
        guard let span else { return }
        partCount += span.events.count + span.links.count
        guard partCount <= Self.mostParts else { throw Self.tooManyParts() }
        group.spans.append(span)
        spanCount += 1
    }

    private mutating func append(_ group: Group) {
        isEmpty = false
        if !group.spans.isEmpty { groups.append(group) }
    }

    private mutating func reject(_ name: String, _ reason: String) {
        let text = "span `\(name.prefix(80))`: \(reason)"
        rejected = (count: (rejected?.count ?? 0) + 1, reason: rejected?.reason ?? text)
    }

    /// What both encodings have of a span before it is known to be one.
    private struct Draft {
        var traceID: [UInt8] = [], id: [UInt8] = [], parent: [UInt8] = []
        var name = ""
        var start: UInt64 = 0, end: UInt64 = 0
        var status: UInt64 = 0, message = ""
        var attributes: [String: JSONValue] = [:]
        var events: [TraceSpan.Event] = []
        var links: [TraceSpan.Link] = []
    }

    private mutating func span(_ draft: Draft) -> TraceSpan? {
        guard draft.traceID.count == 16, draft.traceID.contains(where: { $0 != 0 }) else {
            reject(draft.name, "its trace_id must be 16 bytes, not all of them zero")
            return nil
        }
        guard draft.id.count == 8, draft.id.contains(where: { $0 != 0 }) else {
            reject(draft.name, "its span_id must be 8 bytes, not all of them zero")
            return nil
        }
        let hasParent = draft.parent.contains { $0 != 0 }
        guard !hasParent || draft.parent.count == 8 && draft.parent != draft.id else {
            reject(draft.name, "its parent_span_id must be the 8 bytes of another span")
            return nil
        }
        guard let start = Int64(exactly: draft.start), let end = Int64(exactly: draft.end) else {
            reject(draft.name, "its times lie after the year 2262")
            return nil
        }
        return TraceSpan(
            traceID: Self.hex(draft.traceID), id: Self.hex(draft.id),
            parentID: hasParent ? Self.hex(draft.parent) : nil,
            name: draft.name, start: start, end: end == 0 ? nil : end,
            status: draft.status == 2 ? .error : draft.status == 1 ? .ok : .unset, statusMessage: draft.message,
            attributes: draft.attributes, events: draft.events, links: draft.links)
    }

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func tooDeep() -> NestboxError {
        .invalid("an attribute is nested deeper than \(deepest) levels", hint: "send it as text")
    }
}

// MARK: protocol buffers

extension OTLPTraces {
    /// Reads an `ExportTraceServiceRequest`. Throws `invalid_argument` for bytes that are none.
    package init(protobuf bytes: [UInt8]) throws {
        var request = ProtobufReader(bytes)
        while let (field, wire) = try request.next() {
            guard field == 1, wire == .bytes else { try request.skip(wire); continue }
            try addGroup(try request.message())
        }
    }

    private mutating func addGroup(_ message: ProtobufReader) throws {
        var message = message, group = Group()
        while let (field, wire) = try message.next() {
            switch (field, wire) {
            case (1, .bytes):
                var resource = try message.message()
                while let (field, wire) = try resource.next() {
                    guard field == 1, wire == .bytes else { try resource.skip(wire); continue }
                    try Self.add(try resource.message(), to: &group.resource)
                }
            case (2, .bytes):
                var scope = try message.message()
                while let (field, wire) = try scope.next() {
                    guard field == 2, wire == .bytes else { try scope.skip(wire); continue }
                    try append(span(try Self.draft(try scope.message())), to: &group)
                }
            default: try message.skip(wire)
            }
        }
        append(group)
    }

    private static func draft(_ message: ProtobufReader) throws -> Draft {
        var message = message, draft = Draft()
        while let (field, wire) = try message.next() {
            guard draft.events.count + draft.links.count <= mostParts else { throw tooManyParts() }
            switch (field, wire) {
            case (1, .bytes): draft.traceID = try message.data()
            case (2, .bytes): draft.id = try message.data()
            case (4, .bytes): draft.parent = try message.data()
            case (5, .bytes): draft.name = try message.string()
            case (7, .fixed64): draft.start = try message.fixed64()
            case (8, .fixed64): draft.end = try message.fixed64()
            case (9, .bytes): try add(try message.message(), to: &draft.attributes)
            case (11, .bytes): draft.events.append(try event(try message.message()))
            case (13, .bytes): draft.links.append(try link(try message.message()))
            case (15, .bytes):
                var status = try message.message()
                while let (field, wire) = try status.next() {
                    switch (field, wire) {
                    case (2, .bytes): draft.message = try status.string()
                    case (3, .varint): draft.status = try status.varint()
                    default: try status.skip(wire)
                    }
                }
            default: try message.skip(wire)
            }
        }
        return draft
    }

    private static func event(_ message: ProtobufReader) throws -> TraceSpan.Event {
        var message = message, event = TraceSpan.Event(name: "", time: 0)
        while let (field, wire) = try message.next() {
            switch (field, wire) {
            case (1, .fixed64): event.time = Int64(clamping: try message.fixed64())
            case (2, .bytes): event.name = try message.string()
            case (3, .bytes): try add(try message.message(), to: &event.attributes)
            default: try message.skip(wire)
            }
        }
        return event
    }

    private static func link(_ message: ProtobufReader) throws -> TraceSpan.Link {
        var message = message, link = TraceSpan.Link(traceID: "", spanID: "")
        while let (field, wire) = try message.next() {
            switch (field, wire) {
            case (1, .bytes): link.traceID = hex(try message.data())
            case (2, .bytes): link.spanID = hex(try message.data())
            case (4, .bytes): try add(try message.message(), to: &link.attributes)
            default: try message.skip(wire)
            }
        }
        return link
    }

    /// A `KeyValue`.
    private static func add(
        _ message: ProtobufReader, to attributes: inout [String: JSONValue], depth: Int = 0
    ) throws {
        var message = message, key = "", value = JSONValue.null
        while let (field, wire) = try message.next() {
            switch (field, wire) {
            case (1, .bytes): key = try message.string()
            case (2, .bytes): value = try self.value(try message.message(), depth: depth)
            default: try message.skip(wire)
            }
        }
        attributes[key] = value
    }

    /// An `AnyValue`; of several values in it the last one counts.
    private static func value(_ message: ProtobufReader, depth: Int) throws -> JSONValue {
        guard depth < deepest else { throw tooDeep() }
        var message = message, value = JSONValue.null
        while let (field, wire) = try message.next() {
            switch (field, wire) {
            case (1, .bytes): value = .string(try message.string())
            case (2, .varint): value = .bool(try message.varint() != 0)
            case (3, .varint): value = .int(Int64(bitPattern: try message.varint()))
            case (4, .fixed64): value = .number(Double(bitPattern: try message.fixed64()))
            case (5, .bytes):
                var list = try message.message(), items: [JSONValue] = []
                while let (field, wire) = try list.next() {
                    guard field == 1, wire == .bytes else { try list.skip(wire); continue }
                    items.append(try self.value(try list.message(), depth: depth + 1))
                }
                value = .array(items)
            case (6, .bytes):
                var list = try message.message(), object: [String: JSONValue] = [:]
                while let (field, wire) = try list.next() {
                    guard field == 1, wire == .bytes else { try list.skip(wire); continue }
                    try add(try list.message(), to: &object, depth: depth + 1)
                }
                value = .object(object)
            case (7, .bytes): value = .string(Data(try message.data()).base64EncodedString())
            default: try message.skip(wire)
            }
        }
        return value
    }
}

// MARK: JSON

extension OTLPTraces {
    /// Reads the JSON form: names in camel case (the original's snake case too), identifiers in hexadecimal, 64-bit
    /// numbers as text or as numbers, enumerations as numbers. Throws `invalid_argument` naming the place.
    package init(json bytes: [UInt8]) throws {
        let root = try JSONReader.parse(bytes, what: "the request body", acceptsNonFinite: true)
        guard root.objectValue != nil else { throw Self.wrong("the request body", root, "an object") }
        for (index, item) in try Self.list(root, "resourceSpans", "").enumerated() {
            let place = "resourceSpans[\(index)]."
            var group = Group()
            group.resource = try Self.attributes(item["resource"] ?? .null, "\(place)resource.")
            for (index, scope) in try Self.list(item, "scopeSpans", place).enumerated() {
                let place = "\(place)scopeSpans[\(index)]."
                for (index, item) in try Self.list(scope, "spans", place).enumerated() {
                    try append(span(try Self.draft(item, "\(place)spans[\(index)].")), to: &group)
                }
            }
            append(group)
        }
    }

    private static func draft(_ span: JSONValue, _ place: String) throws -> Draft {
        guard span.objectValue != nil else { throw wrong(String(place.dropLast()), span, "an object") }
        var draft = Draft()
        draft.traceID = try identifier(span, "traceId", place)
        draft.id = try identifier(span, "spanId", place)
        draft.parent = try identifier(span, "parentSpanId", place)
        draft.name = try text(span, "name", place)
        draft.start = try nanoseconds(span, "startTimeUnixNano", place)
        draft.end = try nanoseconds(span, "endTimeUnixNano", place)
        draft.attributes = try attributes(span, place)
        let status = span["status"] ?? .null
        draft.message = try text(status, "message", "\(place)status.")
        switch status["code"] {
        case .string("STATUS_CODE_ERROR")?, .string("2")?: draft.status = 2
        case .string("STATUS_CODE_OK")?, .string("1")?: draft.status = 1
        case let code?: draft.status = code.intValue == 2 ? 2 : code.intValue == 1 ? 1 : 0
        case nil: break
        }
        guard try list(span, "events", place).count + list(span, "links", place).count <= mostParts else {
            throw tooManyParts()
        }
        for (index, event) in try list(span, "events", place).enumerated() {
            let place = "\(place)events[\(index)]."
            draft.events.append(
                TraceSpan.Event(
                    name: try text(event, "name", place),
                    time: Int64(clamping: try nanoseconds(event, "timeUnixNano", place)),
                    attributes: try attributes(event, place)))
        }
        for (index, link) in try list(span, "links", place).enumerated() {
            let place = "\(place)links[\(index)]."
            draft.links.append(
                TraceSpan.Link(
                    traceID: hex(try identifier(link, "traceId", place)),
                    spanID: hex(try identifier(link, "spanId", place)), attributes: try attributes(link, place)))
        }
        return draft
    }

    private static func attributes(_ object: JSONValue, _ place: String) throws -> [String: JSONValue] {
        var found: [String: JSONValue] = [:]
        for (index, item) in try list(object, "attributes", place).enumerated() {
            let place = "\(place)attributes[\(index)]."
            found[try text(item, "key", place)] = try value(item["value"], "\(place)value.")
        }
        return found
    }

    /// An `AnyValue`. The reader of JSON bounds how deep it goes.
    private static func value(_ value: JSONValue?, _ place: String) throws -> JSONValue {
        guard let value, value != .null else { return .null }
        if let text = get(value, "stringValue") { return .string(text.stringValue ?? "") }
        if let flag = get(value, "boolValue") { return .bool(flag.boolValue ?? false) }
        if let number = get(value, "intValue") {
            guard let whole = number.intValue ?? number.stringValue.flatMap({ Int64($0) }) else {
                throw wrong("\(place)intValue", number, "a whole number")
            }
            return .int(whole)
        }
        if let number = get(value, "doubleValue") {
            guard let real = number.doubleValue ?? number.stringValue.flatMap({ Double($0) }) else {
                throw wrong("\(place)doubleValue", number, "a number")
            }
            return .number(real)
        }
        if let bytes = get(value, "bytesValue") { return .string(bytes.stringValue ?? "") }
        if let array = get(value, "arrayValue") {
            return .array(try list(array, "values", "\(place)arrayValue.").map { try self.value($0, place) })
        }
        if let pairs = get(value, "kvlistValue") {
            var object: [String: JSONValue] = [:]
            for item in try list(pairs, "values", "\(place)kvlistValue.") {
                object[try text(item, "key", place)] = try self.value(item["value"], place)
            }
            return .object(object)
        }
        return .null
    }

    /// `traceId`, or `trace_id` as protocol buffers' own names would have it.
    private static func get(_ object: JSONValue, _ name: String) -> JSONValue? {
        if let value = object[name] { return value == .null ? nil : value }
        let snake = name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
        return object[snake].flatMap { $0 == .null ? nil : $0 }
    }

    private static func list(_ object: JSONValue, _ name: String, _ place: String) throws -> [JSONValue] {
        guard let value = get(object, name) else { return [] }
        guard let list = value.arrayValue else { throw wrong(place + name, value, "a list") }
        return list
    }

    private static func text(_ object: JSONValue, _ name: String, _ place: String) throws -> String {
        guard let value = get(object, name) else { return "" }
        guard let text = value.stringValue else { throw wrong(place + name, value, "a text") }
        return text
    }

    private static func nanoseconds(_ object: JSONValue, _ name: String, _ place: String) throws -> UInt64 {
        guard let value = get(object, name) else { return 0 }
        if let text = value.stringValue, let number = UInt64(text) { return number }
        if let number = value.intValue.flatMap({ UInt64(exactly: $0) }) { return number }
        throw wrong(place + name, value, "nanoseconds since 1970")
    }

    private static func identifier(_ object: JSONValue, _ name: String, _ place: String) throws -> [UInt8] {
        let text = Array(try self.text(object, name, place).utf8)
        let digits = text.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
        guard digits.count == text.count, digits.count % 2 == 0 else {
            throw wrong(place + name, get(object, name) ?? .null, "hexadecimal digits")
        }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func wrong(_ place: String, _ value: JSONValue, _ expected: String) -> NestboxError {
        .invalid("the request body: `\(place)` must be \(expected), not \(value.kind)")
    }
}
