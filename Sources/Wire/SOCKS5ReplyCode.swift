import Address

/// RFC 1928 §6.
package enum SOCKS5ReplyCode: UInt8, Sendable, CaseIterable {
    case succeeded = 0
    case generalFailure = 1
    case notAllowed = 2
    case networkUnreachable = 3
    case hostUnreachable = 4
    case connectionRefused = 5
    case ttlExpired = 6
    case commandNotSupported = 7
    case addressTypeNotSupported = 8

    /// A whole reply; `bound` is BND.ADDR. A failure carries 0.0.0.0:0.
    package func reply(bound: SOCKSAddress = .ip(.v4(0)), port: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(22)
        bytes += [5, rawValue, 0]
        bound.encode(into: &bytes)
        bytes.append(UInt8(port >> 8))
        bytes.append(UInt8(truncatingIfNeeded: port))
        return bytes
    }
}
