import Wire

/// RFC 1928 §4. A reply has the form of a request, so the server's own encoder writes again what its parser understood.
func fuzzSOCKS5Request(_ input: [UInt8]) {
    guard case .done(let request, let consumed) = feed(input, { SOCKS5Request.parse }) else { return }
    if case .name(let name) = request.address {
        hold(1...255 ~= name.utf8.count && name.utf8.allSatisfy { 0x21...0x7e ~= $0 }, "the name \(name)")
    }
    var again = SOCKS5ReplyCode.succeeded.reply(bound: request.address, port: request.port)
    again[1] = request.command.rawValue
    again[2] = input[2]
    hold(again == Array(input.prefix(consumed)), "written again: \(again)")
}
