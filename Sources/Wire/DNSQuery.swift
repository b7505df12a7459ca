/// A kind of records (RFC 1035 §3.2.2, RFC 6895 §3.1), known or not.
package struct DNSType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    package static let a = DNSType(rawValue: 1)
    package static let ns = DNSType(rawValue: 2)
    package static let alias = DNSType(rawValue: 5)
    package static let authority = DNSType(rawValue: 6)
    package static let pointer = DNSType(rawValue: 12)
    package static let information = DNSType(rawValue: 13)
    package static let aaaa = DNSType(rawValue: 28)
    /// DS (RFC 4034 §5).
    package static let delegationSigner = DNSType(rawValue: 43)
    package static let service = DNSType(rawValue: 64)
    package static let https = DNSType(rawValue: 65)
    /// Every kind at once, which nobody has to tell (RFC 8482).
    package static let any = DNSType(rawValue: 255)

    /// Whether it is for a transfer, or about a message, and never a record of a zone (RFC 6895 §3.1).
    package var isMeta: Bool { rawValue == DNSHeader.optionsType || (128...254).contains(rawValue) }
}

/// A question that is put to a name server.
package struct DNSQuery: Hashable, Sendable {
    package let id: UInt16
    package let name: DNSName
    package let type: DNSType
    /// What the asker wants beyond the records themselves; a server that is asked plainly is not told of it.
    package let wishes: Wishes
    /// Whether the query says what the asker can take beyond RFC 1035. Servers that answer "format error" to it are asked
    /// without.
    package let isExtended: Bool
    /// For whom a relay asks (`DNSRequest.deviceOption`); nil: nobody is told.
    package let party: UInt32?

    package struct Wishes: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Signatures and keys (DO, RFC 3225 §3).
        package static let signatures = Wishes(rawValue: 1)
        /// The server is to answer whatever it thinks of the signatures (CD, RFC 4035 §3.2.2).
        package static let unchecked = Wishes(rawValue: 2)
        /// Whether the server has found the signatures in order (AD, RFC 6840 §5.7).
        package static let verdict = Wishes(rawValue: 4)
    }

    /// What passes everywhere without fragments (RFC 9715; dnsflagday.net/2020).
    package static let largestDatagram = 1232

    package init(
        id: UInt16, name: DNSName, type: DNSType, wishes: Wishes = [], isExtended: Bool = true, party: UInt32? = nil
    ) {
        self.id = id
        self.name = name
        self.type = type
        self.wishes = wishes
        self.isExtended = isExtended
        self.party = party
    }

    /// The message, as it goes over UDP. Over TCP its length in two bytes stands before it (RFC 1035 §4.2.2).
    package func encode() -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(DNSHeader.length + name.bytes.count + 4 + 11)
        message.append(number: id)
        // Recursion is desired.
        message.append(
            number: 0x0100 | (wishes.contains(.verdict) ? DNSHeader.authentic : 0)
                | (wishes.contains(.unchecked) ? DNSHeader.unchecked : 0))
        for count: UInt16 in [1, 0, 0, isExtended ? 1 : 0] { message.append(number: count) }
        message += name.bytes
        message.append(number: type.rawValue)
        message.append(number: DNSHeader.internet)
        if isExtended {
            // OPT (RFC 6891 §6.1.2): the root's name, the type, the size where a class would stand, flags, options.
            message.append(0)
            message.append(number: DNSHeader.optionsType)
            message.append(number: UInt16(Self.largestDatagram))
            message += [0, 0, wishes.contains(.signatures) ? 0x80 : 0, 0]
            guard let party else {
                message += [0, 0]
                return message
            }
            message.append(number: UInt16(8))
            message.append(number: DNSRequest.deviceOption)
            message.append(number: UInt16(4))
            message.append(number: party)
        }
        return message
    }
}

extension [UInt8] {
    mutating func append(number: UInt16) {
        append(UInt8(number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }

    mutating func append(number: UInt32) {
        append(number: UInt16(number >> 16))
        append(number: UInt16(truncatingIfNeeded: number))
    }
}
