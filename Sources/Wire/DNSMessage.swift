package import Address

// The two messages of a stub resolver (RFC 1035 §4, RFC 6891): a query for the addresses of a name, and what a recursive name
// server answers.

package enum DNSError: Error, Hashable, Sendable {
    /// The message is no answer to this query: it bears another id or another question, or is a query itself. Somebody may be
    /// guessing (RFC 5452 §9.1), so that the right answer is still to be waited for.
    case foreign
    /// The message is an answer, and cannot be read.
    case malformed
}

package enum DNSType: UInt16, Sendable {
    case a = 1
    case aaaa = 28
}

/// What a response says about the question as a whole (RFC 1035 §4.1.1, RFC 6895 §2.3).
package enum DNSResponseCode: Hashable, Sendable {
    case success
    case formatError
    case serverFailure
    case noSuchName
    case notImplemented
    case refused
    case other(Int)

    init(_ number: Int) {
        self =
            switch number {
            case 0: .success
            case 1: .formatError
            case 2: .serverFailure
            case 3: .noSuchName
            case 4: .notImplemented
            case 5: .refused
            default: .other(number)
            }
    }
}

/// A question for one kind of addresses of one name.
package struct DNSQuery: Hashable, Sendable {
    package let id: UInt16
    package let name: DNSName
    package let type: DNSType
    /// Whether the query says what the asker can take beyond RFC 1035. Servers that answer "format error" to it are asked
    /// without.
    package let isExtended: Bool

    /// What passes everywhere without fragments (RFC 9715; dnsflagday.net/2020).
    package static let largestDatagram = 1232

    package init(id: UInt16, name: DNSName, type: DNSType, isExtended: Bool = true) {
        self.id = id
        self.name = name
        self.type = type
        self.isExtended = isExtended
    }

    /// The message, as it goes over UDP. Over TCP its length in two bytes stands before it (RFC 1035 §4.2.2).
    package func encode() -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(DNSHeader.length + name.bytes.count + 4 + 11)
        message.append(number: id)
        // Recursion is desired.
        message.append(number: 0x0100)
        for count: UInt16 in [1, 0, 0, isExtended ? 1 : 0] { message.append(number: count) }
        message += name.bytes
        message.append(number: type.rawValue)
        message.append(number: DNSHeader.internet)
        if isExtended {
            // OPT (RFC 6891 §6.1.2): the root's name, the type, the size where a class would stand, no flags, no options.
            message.append(0)
            message.append(number: DNSHeader.optionsType)
            message.append(number: UInt16(Self.largestDatagram))
            message += [0, 0, 0, 0, 0, 0]
        }
        return message
    }
}

/// What a name server answered to a `DNSQuery`.
package struct DNSResponse: Hashable, Sendable {
    package let code: DNSResponseCode
    /// The rest did not fit: the same is to be asked over TCP, and nothing else in here counts (RFC 2181 §9).
    package let isTruncated: Bool
    /// Those of the name, or of the one that its aliases lead to.
    package let addresses: [IPAddress]
    /// Seconds for which it holds. Of addresses, as long as the shortest link of the chain that led to them (RFC 2181 §5.2);
    /// that there are none, as long as the zone's SOA record says, and nil if there is no SOA (RFC 2308 §5).
    package let secondsToLive: Int?
    /// The server sends elsewhere instead of looking itself: it is none for stub resolvers.
    package let isReferral: Bool

    private static let mostAliases = 16
    private static let mostAddresses = 64
    private static let mostRecords = 512

    /// - Parameter message: one whole datagram, or what followed the length on a TCP connection. What follows the last record
    ///   that the header counts is passed over.
    package static func parse(
        _ message: borrowing Span<UInt8>, to query: DNSQuery
    ) throws(DNSError) -> DNSResponse {
        guard let header = DNSHeader(message), header.isResponse, header.id == query.id else { throw .foreign }
        var place = DNSHeader.length
        let code = DNSResponseCode(header.code)
        if header.questions == 0, code != .success, code != .noSuchName {
            // Some do not repeat a question that they do not understand.
            return DNSResponse(code)
        }
        guard header.questions == 1 else { throw .foreign }
        guard let name = try? DNSName.read(message, at: &place), name == query.name, message.count >= place + 4,
            message.number(at: place, as: UInt16.self) == query.type.rawValue,
            message.number(at: place + 2, as: UInt16.self) == DNSHeader.internet
        else { throw .foreign }
        place += 4
        if header.isTruncated { return DNSResponse(code, isTruncated: true) }
        guard code == .success || code == .noSuchName else { return DNSResponse(code) }
        let answers = try records(message, count: header.answers, at: &place)
        let authorities = try records(message, count: header.authorities, at: &place)
        return try DNSResponse(query, header, code, answers, authorities, message)
    }

    private init(_ code: DNSResponseCode, isTruncated: Bool = false) {
        self.code = code
        self.isTruncated = isTruncated
        addresses = []
        secondsToLive = nil
        isReferral = false
    }

    private init(
        _ query: DNSQuery, _ header: DNSHeader, _ code: DNSResponseCode, _ answers: [DNSRecord],
        _ authorities: [DNSRecord], _ message: borrowing Span<UInt8>
    ) throws(DNSError) {
        var shortest = Int.max
        var name = query.name
        var aliases = 0
        while let alias = answers.first(where: { $0.type == DNSHeader.aliasType && $0.name == name }) {
            aliases += 1
            guard aliases <= Self.mostAliases else { throw .malformed }
            var place = alias.data.lowerBound
            name = try DNSName.read(message, at: &place)
            guard place == alias.data.upperBound else { throw .malformed }
            shortest = min(shortest, alias.secondsToLive)
        }
        var addresses: [IPAddress] = []
        for record in answers where record.type == query.type.rawValue && record.name == name {
            guard record.data.count == (query.type == .a ? 4 : 16) else { throw .malformed }
            shortest = min(shortest, record.secondsToLive)
            guard addresses.count < Self.mostAddresses else { continue }
            let start = record.data.lowerBound
            addresses.append(
                query.type == .a
                    ? .v4(message.number(at: start, as: UInt32.self)) : .v6(message.number(at: start, as: UInt128.self))
            )
        }
        let start = authorities.first { $0.type == DNSHeader.authorityType && name.isWithin($0.name) }
        if addresses.isEmpty, let start {
            // The last of its five numbers (RFC 1035 §3.3.13) and its own time, whichever is less.
            guard start.data.count >= 22 else { throw .malformed }
            let minimum = message.number(at: start.data.upperBound - 4, as: UInt32.self)
            shortest = min(shortest, start.secondsToLive, Int(minimum))
        }
        self.code = code
        isTruncated = false
        self.addresses = addresses
        secondsToLive = addresses.isEmpty && start == nil ? nil : shortest
        isReferral =
            code == .success && answers.isEmpty && start == nil && !header.isAuthoritative && !header.offersRecursion
    }

    private static func records(
        _ message: borrowing Span<UInt8>, count: Int, at place: inout Int
    ) throws(DNSError) -> [DNSRecord] {
        // However many a message may hold: what they cost to read is bounded.
        guard count <= mostRecords else { throw .malformed }
        var records: [DNSRecord] = []
        for _ in 0..<count { records.append(try DNSRecord(message, at: &place)) }
        return records
    }
}

/// What every message begins with (RFC 1035 §4.1.1).
private struct DNSHeader {
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

/// A resource record (RFC 1035 §4.1.3). One that is not of the internet's class has no type here.
private struct DNSRecord {
    let name: DNSName
    let type: UInt16
    let secondsToLive: Int
    /// Where in the message its data is.
    let data: Range<Int>

    init(_ message: borrowing Span<UInt8>, at place: inout Int) throws(DNSError) {
        name = try DNSName.read(message, at: &place)
        guard message.count >= place + 10 else { throw .malformed }
        let isOfInternet = message.number(at: place + 2, as: UInt16.self) == DNSHeader.internet
        type = isOfInternet ? message.number(at: place, as: UInt16.self) : 0
        let seconds = message.number(at: place + 4, as: UInt32.self)
        // A number with the highest bit set is none (RFC 2181 §8).
        secondsToLive = seconds > Int32.max ? 0 : Int(seconds)
        let start = place + 10
        let end = start + Int(message.number(at: place + 8, as: UInt16.self))
        guard end <= message.count else { throw .malformed }
        data = start..<end
        place = end
    }
}

extension [UInt8] {
    fileprivate mutating func append(number: UInt16) {
        append(UInt8(number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }
}
