package enum SOCKS4Reply {
    /// A request granted, with the address and port that BIND tells; CONNECT's client ignores them.
    package static func granted(_ address: UInt32 = 0, port: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = [0, 90, UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: address >> shift)) }
        return bytes
    }

    /// Rejected or failed: the protocol has no other reasons but two about identd.
    package static let refused: [UInt8] = [0, 91, 0, 0, 0, 0, 0, 0]
}
