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
        let parts = description.utf8.split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
            .map { Substring($0) }
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

/// Quick, for every user's hash is read at each change of the policy.
private func hexadecimal(_ text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in text.utf8 {
        let digit: UInt8
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
        default: return nil
        }
        if let first = high {
            bytes.append(first << 4 | digit)
            high = nil
        } else {
            high = digit
        }
    }
    return high == nil ? bytes : nil
}
