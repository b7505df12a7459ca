// Address: IP addresses, networks, ports and endpoints: their bits, their text, their sockaddr. Once, for everybody.
//
// It knows nothing of sockets, policy or what an address is good for. It must never do I/O.

/// Reads a value that travels as its text.
package func decodeNotation<Value: LosslessStringConvertible>(_ decoder: any Decoder) throws -> Value {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Value(text) else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is not a \(Value.self)")
    }
    return value
}

/// Writes a value as its text.
package func encodeNotation(_ value: some LosslessStringConvertible, _ encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value.description)
}
