import Wire

/// RFC 1929 §2: what was understood, written again, is the bytes that came.
func fuzzSOCKS5Login(_ input: [UInt8]) {
    guard case .done(let login, let consumed) = feed(input, { SOCKS5Login.parse }) else { return }
    hold(1...255 ~= login.name.count && 1...255 ~= login.password.count, "an empty name or password")
    let again = [1, UInt8(login.name.count)] + login.name + [UInt8(login.password.count)] + login.password
    hold(again == Array(input.prefix(consumed)), "written again: \(again)")
}
