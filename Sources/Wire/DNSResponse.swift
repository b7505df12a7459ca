package import Address

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
        let isForAddresses = query.type == .a || query.type == .aaaa
        for record in answers where isForAddresses && record.type == query.type.rawValue && record.name == name {
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
