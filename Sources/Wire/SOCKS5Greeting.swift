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
