extension [UInt8] {
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        append(contentsOf: UnsafeBufferPointer(rebasing: bytes[range]))
    }

    /// One field, without what stood around its parts.
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, _ entry: HTTPFields.Entry) {
        append(bytes, entry.name)
        append(": ")
        append(bytes, entry.value)
        append("\r\n")
    }

    mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @_disfavoredOverload
    mutating func append(_ text: String) {
        append(contentsOf: text.utf8)
    }

    mutating func append(_ framing: HTTPFraming) {
        switch framing {
        case .none, .untilClose: break
        case .length(let length): append("Content-Length: \(length)\r\n")
        case .chunked: append("Transfer-Encoding: chunked\r\n")
        }
    }
}
