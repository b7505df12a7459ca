import Wire

/// RFC 7617 and RFC 4648: a login has one spelling but for the case of the scheme and the spaces behind it.
func fuzzBasicCredentials(_ input: [UInt8]) {
    guard let login = BasicCredentials.parse(input[...]) else { return }
    hold(!login.name.contains(UInt8(ascii: ":")), "a colon in the name \(login.name)")
    hold(!(login.name + login.password).contains { $0 < 0x20 || $0 == 0x7f }, "a control character")
    let encoded = base64(login.name + [UInt8(ascii: ":")] + login.password)
    let given = input.dropFirst(5).drop { $0 == UInt8(ascii: " ") }
    hold(given.elementsEqual(encoded), "\(given) was understood as \(encoded)")
    hold(BasicCredentials.parse((Array("bAsIc ".utf8) + encoded)[...]) == login, "written again it is another login")
}

/// Another implementation than the decoder's, by bits.
private func base64(_ bytes: [UInt8]) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = (group + [UInt8](repeating: 0, count: 3 - group.count)).reduce(0) { $0 << 8 | Int($1) }
        for index in 0...group.count { text.append(alphabet[bits >> (18 - 6 * index) & 63]) }
        text += [UInt8](repeating: UInt8(ascii: "="), count: 3 - group.count)
    }
    return text
}
