/// What every message begins with (RFC 1035 §4.1.1).
struct DNSHeader {
    static let length = 12
    static let internet: UInt16 = 1
    static let aliasType: UInt16 = 5
    static let authorityType: UInt16 = 6
    static let optionsType: UInt16 = 41

    let id: UInt16
    private let flags: UInt16
    let questions: Int
    let answers: Int
    let authorities: Int

    init?(_ message: borrowing Span<UInt8>) {
        guard message.count >= Self.length else { return nil }
        id = message.number(at: 0, as: UInt16.self)
        flags = message.number(at: 2, as: UInt16.self)
        questions = Int(message.number(at: 4, as: UInt16.self))
        answers = Int(message.number(at: 6, as: UInt16.self))
        authorities = Int(message.number(at: 8, as: UInt16.self))
    }

    /// A response to a standard query, that is.
    var isResponse: Bool { flags & 0xf800 == 0x8000 }
    var isAuthoritative: Bool { flags & 0x0400 != 0 }
    var isTruncated: Bool { flags & 0x0200 != 0 }
    var offersRecursion: Bool { flags & 0x0080 != 0 }
    var code: Int { Int(flags & 0x000f) }
}
