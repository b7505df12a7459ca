// What a client sends to its UDP association, and what it gets back (RFC 1928 §7).

/// The header of one datagram; what follows it is the payload.
package struct SOCKS5DatagramHeader: Hashable, Sendable {
    /// 0: the datagram is whole.
    package let fragment: UInt8
    package let address: SOCKS5Address
    package let port: UInt16

    /// A datagram comes whole or not at all: `needMore` means that it was cut short and is worth nothing.
    ///
    /// The reserved bytes are not looked at: nothing depends on them.
    package static func parse(
        _ input: borrowing Span<UInt8>
    ) throws(SOCKS5Error) -> Parsed<SOCKS5DatagramHeader> {
        guard input.count >= 4 else { return .needMore }
        guard case .done(let address, consumed: let end) = try SOCKS5Address.parse(input) else { return .needMore }
        guard input.count >= end + 2 else { return .needMore }
        let header = SOCKS5DatagramHeader(
            fragment: input[2], address: address, port: input.number(at: end, as: UInt16.self))
        return .done(header, consumed: end + 2)
    }

    /// What stands before the payload of a datagram that came from `source`.
    package static func encode(source: SOCKS5Address, port: UInt16) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(22)
        bytes += [0, 0, 0]
        source.encode(into: &bytes)
        bytes.append(UInt8(port >> 8))
        bytes.append(UInt8(truncatingIfNeeded: port))
        return bytes
    }
}

/// Puts a datagram together that came in fragments. They are taken in order only, which is all that RFC 1928 §7 asks for:
/// one that is missing, late or of another datagram costs the whole.
///
/// The timer is its owner's: it calls `abandon()` 5 s or more after the first fragment.
package struct SOCKS5Reassembly {
    package struct Datagram: Hashable, Sendable {
        package let address: SOCKS5Address
        package let port: UInt16
        package let payload: [UInt8]

        package init(address: SOCKS5Address, port: UInt16, payload: [UInt8]) {
            self.address = address
            self.port = port
            self.payload = payload
        }
    }

    package enum Step: Hashable, Sendable {
        /// The first one: time runs from here.
        case began
        case went
        case completed(Datagram)
        /// The fragment fits nothing.
        case refused
    }

    /// What a UDP datagram over IPv4 holds at most.
    private static let longest = 65_507
    private static let last: UInt8 = 0x80

    private var first: SOCKS5DatagramHeader?
    private var highest: UInt8 = 0
    private var payload: [UInt8] = []
    /// Fragments that were thrown away since they completed nothing.
    package private(set) var dropped = 0

    package init() {}

    package var isEmpty: Bool { first == nil }

    /// - Parameter header: with a FRAG that is not 0.
    package mutating func add(_ header: SOCKS5DatagramHeader, _ bytes: borrowing Span<UInt8>) -> Step {
        let position = header.fragment & ~Self.last
        // A number that is not above the highest one so far begins anew (RFC 1928 §7).
        if position <= highest { abandon() }
        if let first, first.address != header.address || first.port != header.port { abandon() }
        guard position == highest + 1, payload.count + bytes.count <= Self.longest else {
            abandon()
            dropped += 1
            return .refused
        }
        let isFirst = first == nil
        first = first ?? header
        highest = position
        bytes.withUnsafeBufferPointer { payload.append(contentsOf: $0) }
        guard header.fragment & Self.last != 0 else { return isFirst ? .began : .went }
        defer {
            highest = 0
            abandon()
        }
        return .completed(Datagram(address: header.address, port: header.port, payload: payload))
    }

    /// Throws away what is there: the timer ran out, or a whole datagram came in between.
    package mutating func abandon() {
        dropped += Int(highest)
        first = nil
        highest = 0
        payload = []
    }
}
