/// The request of SOCKS5 as a server reads it (RFC 1928 §4).
package enum SOCKS5Request {
    /// The reserved byte is not looked at: nothing depends on it.
    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKSRequest> {
        guard input.count >= 1 else { return .needMore }
        guard input[0] == 5 else { throw .unknownVersion(input[0]) }
        guard input.count >= 4 else { return .needMore }
        guard let command = SOCKSCommand(rawValue: input[1]) else { throw .unknownCommand(input[1]) }
        guard case .done(let address, consumed: let end) = try SOCKSAddress.parse(input) else { return .needMore }
        guard input.count >= end + 2 else { return .needMore }
        let port = input.number(at: end, as: UInt16.self)
        return .done(SOCKSRequest(command: command, address: address, port: port), consumed: end + 2)
    }
}
