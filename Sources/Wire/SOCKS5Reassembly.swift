/// Puts a datagram together that came in fragments. They are taken in order only, which is all that RFC 1928 §7 asks for:
/// one that is missing, late or of another datagram costs the whole.
///
/// The timer is its owner's: it calls `abandon()` 5 s or more after the first fragment.
package struct SOCKS5Reassembly {
    package struct Datagram: Hashable, Sendable {
        package let address: SOCKSAddress
        package let port: UInt16
        package let payload: [UInt8]

        package init(address: SOCKSAddress, port: UInt16, payload: [UInt8]) {
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

    /// The longest payload of a UDP datagram over IPv4.
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
