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

    /// A part of a request's target, percent-encoded where it has to be (RFC 3986 §2.1).
    mutating func append(target range: Range<Int>, of head: HTTPRequestHead) {
        guard head.isTargetRaw else { return append(contentsOf: head.fields.bytes[range]) }
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in head.fields.bytes[range] {
            if byte < 0x80 {
                append(byte)
            } else {
                append(contentsOf: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
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
