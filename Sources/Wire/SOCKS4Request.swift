import Address

/// The request of SOCKS4 and SOCKS4a as a server reads it (Ying-Da Lee's "SOCKS: A protocol for TCP proxy across firewalls", and "SOCKS
/// 4A: A Simple Extension to SOCKS 4 Protocol"; there is no RFC). The protocol knows no password: the user's name is what the
/// client says.
package enum SOCKS4Request {
    /// The longest user's name and the longest host name, in bytes; the protocol itself knows no limit.
    private static let longestText = 255

    package static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS4Error) -> Parsed<SOCKSRequest> {
        guard input.count >= 1 else { return .needMore }
        guard input[0] == 4 else { throw .unknownVersion(input[0]) }
        guard input.count >= 2 else { return .needMore }
        guard let command = SOCKSCommand(rawValue: input[1]), command != .associate else {
            throw .unknownCommand(input[1])
        }
        guard input.count >= 8 else { return .needMore }
        let port = input.number(at: 2, as: UInt16.self)
        let bits = input.number(at: 4, as: UInt32.self)
        guard let userEnd = try endOfText(input, from: 8) else { return .needMore }
        // 0.0.0.x, x not 0: a name follows (SOCKS4a).
        guard (1...255).contains(bits) else {
            let request = SOCKSRequest(command: command, address: .ip(.v4(bits)), port: port)
            return .done(request, consumed: userEnd + 1)
        }
        guard let nameEnd = try endOfText(input, from: userEnd + 1) else { return .needMore }
        guard nameEnd > userEnd + 1 else { throw .badText }
        for index in (userEnd + 1)..<nameEnd where !(0x21...0x7e).contains(input[index]) { throw .badText }
        let name = SOCKSAddress.name(input.text((userEnd + 1)..<nameEnd))
        return .done(SOCKSRequest(command: command, address: name, port: port), consumed: nameEnd + 1)
    }

    /// Where the NUL stands that ends the text; nil if it has not come yet.
    private static func endOfText(_ input: borrowing Span<UInt8>, from start: Int) throws(SOCKS4Error) -> Int? {
        for index in start..<max(start, min(input.count, start + longestText + 1)) where input[index] == 0 {
            return index
        }
        guard input.count <= start + longestText else { throw .badText }
        return nil
    }
}

package enum SOCKS4Error: Error, Hashable, Sendable {
    case unknownVersion(UInt8)
    case unknownCommand(UInt8)
    /// A name that is empty, too long, or not printable ASCII.
    case badText
}
