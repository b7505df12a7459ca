/// How a password is kept: `scrypt$LOG2N$R$P$SALT$KEY` (RFC 7914), salt and key in hexadecimal. The notation alone; making
/// and checking one is Proxy's.
package struct PasswordHash: Hashable, Sendable, LosslessStringConvertible {
    /// Cost: 2 to this power.
    package let log2N: Int
    package let r: Int
    package let p: Int
    package let salt: [UInt8]
    package let key: [UInt8]

    package init(log2N: Int, r: Int, p: Int, salt: [UInt8], key: [UInt8]) {
        self.log2N = log2N
        self.r = r
        self.p = p
        self.salt = salt
        self.key = key
    }

    /// nil also for a cost beyond what a small gateway can bear: N up to 2^17, r up to 16, p up to 4 (256 MiB at most).
    package init?(_ description: String) {
        let parts = description.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "scrypt",
            let log2N = Int(parts[1]), (10...17).contains(log2N),
            let r = Int(parts[2]), (1...16).contains(r),
            let p = Int(parts[3]), (1...4).contains(p),
            let salt = hexadecimal(parts[4]), (8...64).contains(salt.count),
            let key = hexadecimal(parts[5]), (16...64).contains(key.count)
        else { return nil }
        self.init(log2N: log2N, r: r, p: p, salt: salt, key: key)
    }

    package var description: String {
        "scrypt$\(log2N)$\(r)$\(p)$\(hexadecimal(salt))$\(hexadecimal(key))"
    }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

private func hexadecimal(_ text: Substring) -> [UInt8]? {
    let digits = text.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) }
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = digits[index], let low = digits[index + 1] else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}
