/// A new value for a setting that may also be empty. In JSON and on the command line `any` empties the setting. An optional
/// choice that is nil leaves the setting as it is.
package enum Choice<Value: LosslessStringConvertible & Sendable>: Sendable {
    case any
    case one(Value)

    /// nil: the setting becomes empty.
    package var value: Value? { if case .one(let value) = self { value } else { nil } }
}

extension Choice: Equatable where Value: Equatable {}
extension Choice: Hashable where Value: Hashable {}

extension Choice: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        if text == "any" {
            self = .any
        } else if let value = Value(text) {
            self = .one(value)
        } else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(text) is neither any nor a \(Value.self)")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value.map(\.description) ?? "any")
    }
}

extension Choice: InterfaceText {
    static var sample: Self { .any }
}
