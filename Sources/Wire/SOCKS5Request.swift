// SOCKS5 as a server reads it (RFC 1928, RFC 1929). Nothing here allocates except names and logins.

package enum SOCKS5Command: UInt8, Sendable {
    case connect = 1
    case bind = 2
    case associate = 3
}

/// RFC 1928 §4.
package struct SOCKS5Request: Hashable, Sendable {
    package let command: SOCKS5Command
    package let address: SOCKS5Address
    package let port: UInt16

    /// The reserved byte is not looked at: nothing depends on it.
    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKS5Request> {
        guard input.count >= 1 else { return .needMore }
        guard input[0] == 5 else { throw .unknownVersion(input[0]) }
        guard input.count >= 4 else { return .needMore }
        guard let command = SOCKS5Command(rawValue: input[1]) else { throw .unknownCommand(input[1]) }
        guard case .done(let address, consumed: let end) = try SOCKS5Address.parse(input) else { return .needMore }
        guard input.count >= end + 2 else { return .needMore }
        let port = input.number(at: end, as: UInt16.self)
        return .done(SOCKS5Request(command: command, address: address, port: port), consumed: end + 2)
    }
}
