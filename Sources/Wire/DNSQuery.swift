package enum DNSType: UInt16, Sendable {
    case a = 1
    case aaaa = 28
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

extension [UInt8] {
    fileprivate mutating func append(number: UInt16) {
        append(UInt8(number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }
}
