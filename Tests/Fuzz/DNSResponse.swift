import Address
import Wire

/// RFC 1035 §4: a DNSResponse to a question whose id and type the message itself says, and a DNSName from text.
func fuzzDNSResponse(_ input: [UInt8]) {
    if let name = DNSName(String(decoding: input, as: UTF8.self)) {
        hold(name.bytes.count <= 255 && name.bytes.last == 0, "a name that is none: \(name.bytes)")
        hold(DNSName("\(name)") == name, "read again: \(name)")
    }
    let type: DNSType = input.count > 30 && input[30] == 28 ? .aaaa : .a
    let id = input.count > 1 ? UInt16(input[0]) << 8 | UInt16(input[1]) : 0
    let query = DNSQuery(id: id, name: DNSName("www.example.org")!, type: type)
    hold(throwsForeign { try DNSResponse.parse(query.encode().span, to: query) }, "a query for an answer")
    let other = DNSQuery(id: id ^ 1, name: query.name, type: type)
    hold(throwsForeign { try DNSResponse.parse(input.span, to: other) }, "an answer to another id")
    guard let response = try? DNSResponse.parse(input.span, to: query) else { return }
    hold((try? DNSResponse.parse((input + [0xc0]).span, to: query)) == response, "what follows matters")
    hold(response.secondsToLive.map { 0...Int(Int32.max) ~= $0 || $0 <= Int(UInt32.max) } ?? true, "\(response)")
    hold(response.addresses.isEmpty || response.secondsToLive != nil, "addresses without end: \(response)")
    for address in response.addresses {
        if case .v4 = address { hold(type == .a, "\(response)") } else { hold(type == .aaaa, "\(response)") }
    }
}

private func throwsForeign(_ body: () throws -> DNSResponse) -> Bool {
    do {
        _ = try body()
        return false
    } catch {
        return error as? DNSError == .foreign
    }
}
