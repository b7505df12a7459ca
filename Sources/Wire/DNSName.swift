/// A domain name as DNS compares it: labels of 1 to 63 bytes, 255 bytes in all (RFC 1035 §2.3.4), ASCII letters in lower case
/// (RFC 4343).
package struct DNSName: Hashable, Sendable {
    /// As on the wire, uncompressed: each label behind its length, and the root's empty one at the end.
    package let bytes: [UInt8]

    static let longest = 255
    static let longestLabel = 63

    /// - Parameter text: `example.org`, with or without a dot at its end; nil if a part is empty or too long.
    package init?(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 2)
        var rest = text.utf8[...]
        if rest.last == UInt8(ascii: ".") { rest.removeLast() }
        for label in rest.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...Self.longestLabel).contains(label.count) else { return nil }
            bytes.append(UInt8(label.count))
            bytes += label.lazy.map(\.asciiLowercased)
        }
        bytes.append(0)
        guard bytes.count <= Self.longest else { return nil }
        self.bytes = bytes
    }

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// - Parameter wire: a name as `bytes` has it, which the caller has checked; letters may be in either case.
    package init(unchecked wire: UnsafeRawBufferPointer) {
        bytes = wire.map(\.asciiLowercased)
    }

    /// How many labels it has, the root's not counted.
    package var labelCount: Int {
        var (count, place) = (0, 0)
        while bytes[place] != 0 {
            place += 1 + Int(bytes[place])
            count += 1
        }
        return count
    }

    /// The name without its first label; nil: it is the root.
    package var parent: DNSName? {
        bytes[0] == 0 ? nil : DNSName(bytes: Array(bytes[(1 + Int(bytes[0]))...]))
    }

    /// Whether this name is `zone` or below it.
    package func isWithin(_ zone: DNSName) -> Bool {
        var place = 0
        while bytes.count - place > zone.bytes.count { place += 1 + Int(bytes[place]) }
        return bytes[place...].elementsEqual(zone.bytes)
    }

    /// Reads the name at `place` of `message` and moves `place` behind it.
    ///
    /// A pointer leads to an earlier place only, and a name has a bounded number of them (RFC 1035 §4.1.4), so that no message
    /// makes this run in circles or for long.
    static func read(_ message: borrowing Span<UInt8>, at place: inout Int) throws(DNSError) -> DNSName {
        var bytes: [UInt8] = []
        var next = place
        var end: Int?
        var pointers = 0
        while true {
            guard next < message.count else { throw .malformed }
            let length = message[next]
            switch length & 0xc0 {
            case 0:
                let after = next + 1 + Int(length)
                guard after <= message.count, bytes.count + 1 + Int(length) <= longest else { throw .malformed }
                bytes.append(length)
                for index in (next + 1)..<after { bytes.append(message[index].asciiLowercased) }
                if length == 0 {
                    place = end ?? after
                    return DNSName(bytes: bytes)
                }
                guard bytes.count < longest else { throw .malformed }
                next = after
            case 0xc0:
                guard next + 1 < message.count, pointers < 64 else { throw .malformed }
                let target = Int(length & 0x3f) << 8 | Int(message[next + 1])
                guard target < next else { throw .malformed }
                end = end ?? next + 2
                pointers += 1
                next = target
            // Types that nobody ever used (RFC 6891 §5).
            default: throw .malformed
            }
        }
    }
}

extension DNSName: CustomStringConvertible {
    package var description: String {
        var labels: [String] = []
        var place = 0
        while bytes[place] != 0 {
            let end = place + 1 + Int(bytes[place])
            labels.append(String(decoding: bytes[(place + 1)..<end], as: UTF8.self))
            place = end
        }
        return labels.isEmpty ? "." : labels.joined(separator: ".")
    }
}

extension UInt8 {
    var asciiLowercased: UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
    }
}
