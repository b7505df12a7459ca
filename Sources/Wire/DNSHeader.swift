/// What every message begins with (RFC 1035 §4.1.1).
struct DNSHeader {
    static let length = 12
    static let internet: UInt16 = 1
    static let aliasType: UInt16 = 5
    static let authorityType: UInt16 = 6
    static let optionsType: UInt16 = 41

    // Bits of the second number.
    static let response: UInt16 = 0x8000
    static let authoritative: UInt16 = 0x0400
    static let truncated: UInt16 = 0x0200
    static let recursionDesired: UInt16 = 0x0100
    static let recursionAvailable: UInt16 = 0x0080
    static let authentic: UInt16 = 0x0020
    static let unchecked: UInt16 = 0x0010

    let id: UInt16
    let flags: UInt16
    let questions: Int
    let answers: Int
    let authorities: Int
    let additions: Int

    init?(_ message: borrowing Span<UInt8>) {
        guard message.count >= Self.length else { return nil }
        id = message.number(at: 0, as: UInt16.self)
        flags = message.number(at: 2, as: UInt16.self)
        questions = Int(message.number(at: 4, as: UInt16.self))
        answers = Int(message.number(at: 6, as: UInt16.self))
        authorities = Int(message.number(at: 8, as: UInt16.self))
        additions = Int(message.number(at: 10, as: UInt16.self))
    }

    /// A response to a standard query, that is.
    var isResponse: Bool { flags & 0xf800 == 0x8000 }
    var isAuthoritative: Bool { flags & Self.authoritative != 0 }
    var isTruncated: Bool { flags & Self.truncated != 0 }
    var offersRecursion: Bool { flags & Self.recursionAvailable != 0 }
    var operation: UInt16 { flags >> 11 & 0xf }
    var code: Int { Int(flags & 0x000f) }
}
