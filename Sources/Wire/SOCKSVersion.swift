/// The version that a client's first byte names; it is left where it is, as the first byte of the message.
package enum SOCKSVersion: UInt8, Sendable {
    case four = 4
    case five = 5

    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKSVersion> {
        guard input.count >= 1 else { return .needMore }
        guard let version = SOCKSVersion(rawValue: input[0]) else { throw .unknownVersion(input[0]) }
        return .done(version, consumed: 0)
    }
}
