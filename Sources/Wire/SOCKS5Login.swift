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
