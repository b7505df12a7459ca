import FoundationEssentials

/// JSON as it travels: keys in order, so that equal values are equal bytes.
package enum JSON {
    package static func encode(_ value: some Encodable, pretty: Bool = false) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        // Only a number that is not finite cannot be written, and no type here has one.
        guard let data = try? encoder.encode(value) else { preconditionFailure("\(value) has no JSON form") }
        return Array(data)
    }

    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(DecodingError) -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw error
        } catch {
            throw .dataCorrupted(.init(codingPath: [], debugDescription: "\(error)"))
        }
    }
}
