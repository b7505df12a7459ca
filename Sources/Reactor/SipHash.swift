/// SipHash-2-4 (Aumasson and Bernstein 2012).
enum SipHash {
    static func hash(_ bytes: UnsafeRawBufferPointer, key: (UInt64, UInt64)) -> UInt64 {
        var (v0, v1) = (key.0 ^ 0x736f_6d65_7073_6575, key.1 ^ 0x646f_7261_6e64_6f6d)
        var (v2, v3) = (key.0 ^ 0x6c79_6765_6e65_7261, key.1 ^ 0x7465_6462_7974_6573)
        func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
        func rounds(_ count: Int) {
            for _ in 0..<count {
                v0 &+= v1
                v2 &+= v3
                v1 = rotate(v1, 13) ^ v0
                v3 = rotate(v3, 16) ^ v2
                v0 = rotate(v0, 32)
                v2 &+= v1
                v0 &+= v3
                v1 = rotate(v1, 17) ^ v2
                v3 = rotate(v3, 21) ^ v0
                v2 = rotate(v2, 32)
            }
        }
        var word: UInt64 = 0
        for index in bytes.indices {
            word |= UInt64(bytes[index]) << UInt64(8 * (index & 7))
            guard index & 7 == 7 else { continue }
            v3 ^= word
            rounds(2)
            v0 ^= word
            word = 0
        }
        word |= UInt64(truncatingIfNeeded: bytes.count) << 56
        v3 ^= word
        rounds(2)
        v0 ^= word
        v2 ^= 0xff
        rounds(4)
        return v0 ^ v1 ^ v2 ^ v3
    }
}
