import Wire

/// RFC 9112 §3.2.3: a target of CONNECT has one spelling but for case.
func fuzzAuthority(_ input: [UInt8]) {
    let text = String(decoding: input, as: UTF8.self)
    guard let authority = try? Authority(input[...]) else { return }
    let host = authority.isBracketed ? "[\(authority.host)]" : authority.host
    hold("\(host):\(authority.port)" == text, "\(text) was understood as \(authority)")
    hold(authority.port > 0 && !authority.host.isEmpty, "\(authority)")
    // Nothing of what tells user information, paths, zone ids and escapes apart.
    hold(!authority.host.utf8.contains { "@/%?#[] \\".utf8.contains($0) || !(0x21...0x7e ~= $0) }, "\(authority)")
}
