// Wire: the protocols as bytes. Sans-IO codecs over Span: SOCKS5 (RFC 1928, RFC 1929), SOCKS4, the heads and the framing of
// HTTP/1.1 with its chunked content (RFC 9110, RFC 9112, RFC 7617), and the PAC file.
//
// It may know bytes and grammar. It must never touch a descriptor, wait, resolve a name, or decide whether something is
// allowed. Every parser takes what has arrived so far and answers with one of: a value and how many bytes it took, "more
// bytes are needed", or an error that says what to answer. None may trap on any input.

/// What a parser makes of the bytes that have arrived so far. Bytes beyond `consumed` are the next message's.
package enum Parsed<Value: Sendable>: Sendable {
    case needMore
    case done(Value, consumed: Int)
}

extension Parsed: Equatable where Value: Equatable {}

/// A name and a password as a client sent them, before anybody looked whether they are right. It has no description: it
/// must not reach a log by accident.
package struct Login: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    package let name: [UInt8]
    package let password: [UInt8]

    package init(name: [UInt8], password: [UInt8]) {
        self.name = name
        self.password = password
    }

    package var description: String { "login" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Span<UInt8> {
    /// A copy of the bytes in `range`, which the caller has checked to be inside.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBufferPointer { Array($0) }
    }

    /// The bytes in `range` as text; what is not UTF-8 is replaced, so callers check for ASCII first where it matters.
    func text(_ range: Range<Int>) -> String {
        extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// `count` bytes from `start`, most significant first.
    func number<Number: FixedWidthInteger>(at start: Int, as type: Number.Type) -> Number {
        var value: Number = 0
        for index in start..<(start + Number.bitWidth / 8) {
            value = value << 8 | Number(truncatingIfNeeded: self[index])
        }
        return value
    }
}
