// SOCKS5 as a server reads it (RFC 1928, RFC 1929). Nothing here allocates except names and logins.

/// RFC 1928 §3: the methods that a client offers.
package struct SOCKS5Greeting: Hashable, Sendable {
    package let offersNone: Bool
    package let offersPassword: Bool

    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKS5Greeting> {
        guard input.count >= 1 else { return .needMore }
        guard input[0] == 5 else { throw .unknownVersion(input[0]) }
        guard input.count >= 2 else { return .needMore }
        let end = 2 + Int(input[1])
        guard input.count >= end else { return .needMore }
        var offersNone = false
        var offersPassword = false
        for index in 2..<end {
            if input[index] == SOCKS5Method.none.rawValue { offersNone = true }
            if input[index] == SOCKS5Method.password.rawValue { offersPassword = true }
        }
        return .done(SOCKS5Greeting(offersNone: offersNone, offersPassword: offersPassword), consumed: end)
    }
}

package enum SOCKS5Method: UInt8, Sendable {
    case none = 0
    case password = 2
    case noneAcceptable = 0xff

    /// The server's answer to a greeting.
    package var reply: [UInt8] {
        switch self {
        case .none: Self.noneReply
        case .password: Self.passwordReply
        case .noneAcceptable: Self.noneAcceptableReply
        }
    }

    // Made once: every session sends one.
    private static let noneReply: [UInt8] = [5, none.rawValue]
    private static let passwordReply: [UInt8] = [5, password.rawValue]
    private static let noneAcceptableReply: [UInt8] = [5, noneAcceptable.rawValue]
}

/// RFC 1929 §2.
package enum SOCKS5Login {
    /// An empty name or password is an error: the RFC gives both 1 to 255 bytes.
    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<Login> {
        guard input.count >= 1 else { return .needMore }
        guard input[0] == 1 else { throw .unknownLoginVersion(input[0]) }
        guard input.count >= 2 else { return .needMore }
        let nameEnd = 2 + Int(input[1])
        guard input[1] > 0 else { throw .emptyLogin }
        guard input.count > nameEnd else { return .needMore }
        let end = nameEnd + 1 + Int(input[nameEnd])
        guard input[nameEnd] > 0 else { throw .emptyLogin }
        guard input.count >= end else { return .needMore }
        return .done(
            Login(name: input.bytes(2..<nameEnd), password: input.bytes((nameEnd + 1)..<end)), consumed: end)
    }

    package static let accepted: [UInt8] = [1, 0]
    package static let refused: [UInt8] = [1, 1]
}

package enum SOCKS5Command: UInt8, Sendable {
    case connect = 1
    case bind = 2
    case associate = 3
}

/// RFC 1928 §5. Numbers are in host byte order. A name is printable ASCII, not yet checked to be a host name.
package enum SOCKS5Address: Hashable, Sendable {
    case v4(UInt32)
    // Boxed, as Policy's IPAddress is and for the same reason: UInt128 is not safe in a parameter of an async function.
    indirect case v6(UInt128)
    case name(String)
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
    package func reply(bound: SOCKS5Address = .v4(0), port: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(22)
        bytes += [5, rawValue, 0]
        bound.encode(into: &bytes)
        bytes.append(UInt8(port >> 8))
        bytes.append(UInt8(truncatingIfNeeded: port))
        return bytes
    }
}

extension SOCKS5Address {
    /// ATYP is at offset 3, in a request as in a datagram.
    static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKS5Address> {
        switch input[3] {
        case 1:
            guard input.count >= 8 else { return .needMore }
            return .done(.v4(input.number(at: 4, as: UInt32.self)), consumed: 8)
        case 4:
            guard input.count >= 20 else { return .needMore }
            return .done(.v6(input.number(at: 4, as: UInt128.self)), consumed: 20)
        case 3:
            guard input.count >= 5 else { return .needMore }
            let end = 5 + Int(input[4])
            guard end > 5 else { throw .badName }
            guard input.count >= end else { return .needMore }
            for index in 5..<end where !(0x21...0x7e).contains(input[index]) { throw .badName }
            return .done(.name(input.text(5..<end)), consumed: end)
        default:
            throw .unknownAddressType(input[3])
        }
    }

    /// ATYP and the address. A name is at most 255 bytes (it came from a parser that holds that).
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .v4(let bits):
            bytes.append(1)
            for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        case .v6(let bits):
            bytes.append(4)
            for shift in stride(from: 120, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
            }
        case .name(let name):
            let utf8 = name.utf8.prefix(255)
            bytes.append(3)
            bytes.append(UInt8(utf8.count))
            bytes += utf8
        }
    }
}

/// Why a client's bytes are not what the protocol asks for.
package enum SOCKS5Error: Error, Hashable, Sendable {
    case unknownVersion(UInt8)
    case unknownLoginVersion(UInt8)
    case emptyLogin
    case unknownCommand(UInt8)
    case unknownAddressType(UInt8)
    /// Empty, or with a byte that no host name has: a control character, a space, anything beyond ASCII.
    case badName

    /// What to send before closing; empty when the peer does not speak SOCKS5, so that no answer could be understood.
    package var answer: [UInt8] {
        switch self {
        case .unknownVersion: []
        case .unknownLoginVersion, .emptyLogin: SOCKS5Login.refused
        case .unknownCommand: SOCKS5ReplyCode.commandNotSupported.reply()
        case .unknownAddressType: SOCKS5ReplyCode.addressTypeNotSupported.reply()
        case .badName: SOCKS5ReplyCode.generalFailure.reply()
        }
    }
}
