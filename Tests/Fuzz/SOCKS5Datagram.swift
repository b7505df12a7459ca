import Wire

/// RFC 1928 §7: a SOCKS5DatagramHeader, and fragments put together. The input is one datagram; and it is a number of them,
/// each behind a byte that gives its length.
func fuzzSOCKS5Datagram(_ input: [UInt8]) {
    if case .done(let header, let consumed) = feed(input, { SOCKS5DatagramHeader.parse }) {
        var again = SOCKS5DatagramHeader.encode(source: header.address, port: header.port)
        again.replaceSubrange(0..<3, with: input[..<3])
        hold(header.fragment == input[2] && again == Array(input.prefix(consumed)), "written again: \(again)")
    }
    var reassembly = SOCKS5Reassembly()
    var rest = input[...]
    var given = 0
    while let length = rest.popFirst() {
        let datagram = Array(rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
        guard let parsed = try? SOCKS5DatagramHeader.parse(datagram.span), case .done(let header, let start) = parsed
        else { continue }
        given += 1
        let payload = Array(datagram[start...])
        switch reassembly.add(header, payload.span) {
        case .began, .went: hold(!reassembly.isEmpty && header.fragment & 0x80 == 0, "an end that ends nothing")
        case .refused: hold(reassembly.isEmpty, "something is left of what was refused")
        case .completed(let whole):
            hold(reassembly.isEmpty && header.fragment & 0x80 != 0, "a whole without an end")
            hold(whole.payload.suffix(payload.count).elementsEqual(payload), "a whole that ends otherwise")
            hold(whole.address == header.address && whole.port == header.port, "a whole for somebody else")
        }
    }
    reassembly.abandon()
    hold(reassembly.dropped <= given, "\(reassembly.dropped) of \(given) were dropped")
}
