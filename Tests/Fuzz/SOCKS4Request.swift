import Address
import Wire

/// SOCKSVersion, and the requests of SOCKS4 and SOCKS4a: what was understood, written again, is the bytes that came, but for
/// the user's name.
func fuzzSOCKS4Request(_ input: [UInt8]) {
    if let version = try? SOCKSVersion.parse(input.span), case .done(let named, let consumed) = version {
        hold(consumed == 0 && named.rawValue == input[0], "the version \(named)")
    }
    guard case .done(let request, let consumed) = feed(input, { SOCKS4Request.parse }) else { return }
    hold(request.command != .associate, "a command that SOCKS4 has not")
    var head: [UInt8] = [4, request.command.rawValue, UInt8(request.port >> 8), UInt8(request.port & 0xff)]
    var tail: [UInt8] = [0]
    switch request.address {
    case .ip(.v4(let bits)): head += (0..<4).map { UInt8(truncatingIfNeeded: bits >> (24 - 8 * $0)) }
    case .name(let name):
        hold(1...255 ~= name.utf8.count && name.utf8.allSatisfy { 0x21...0x7e ~= $0 }, "the name \(name)")
        head += [0, 0, 0, input[7]]
        tail += name.utf8 + [0]
    case .ip(.v6): hold(false, "an IPv6 address")
    }
    let user = consumed - head.count - tail.count
    hold(0...255 ~= user, "a user's name of \(user) bytes")
    hold(head.elementsEqual(input[..<8]) && tail.elementsEqual(input[(8 + user)..<consumed]), "written again otherwise")
}
