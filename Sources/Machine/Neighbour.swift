package import Address
import Glibc

/// Somebody on the same link, as the kernel knows it from ARP and neighbour discovery (arp(7), RFC 4861): which hardware has
/// an address.
package struct Neighbour: Hashable, Sendable {
    package var interface: String
    package var address: IPAddress
    package var hardware: HardwareAddress
    /// Seconds since it was known to be there: it answered, or something that it said bore it out.
    package var age: Int

    package init(interface: String, address: IPAddress, hardware: HardwareAddress, age: Int = 0) {
        self.interface = interface
        self.address = address
        self.hardware = hardware
        self.age = age
    }
}

extension Neighbour {
    private static let getNeighbour: UInt16 = 30
    /// Of a `struct ndmsg` (linux/neighbour.h).
    private static let headSize = 12
    /// In which the kernel tells ages (USER_HZ).
    private static let ticksPerSecond = UInt32(max(1, sysconf(Int32(_SC_CLK_TCK))))

    /// Those of now, in the calling thread's network namespace. Takes no privilege.
    package static func all() throws(MachineFailure) -> [Neighbour] {
        let names = Dictionary(try Link.all().map { ($0.index, $0.name) }) { first, _ in first }
        let request = NetlinkRequest(
            family: .route, type: getNeighbour, isDump: true, payload: [UInt8](repeating: 0, count: headSize))
        return try request.messages().compactMap { Neighbour($0, names: names) }
    }

    /// nil: nobody who is there, or no Ethernet: who does not answer, a multicast group, an address that is answered for another.
    init?(_ message: ArraySlice<UInt8>, names: [UInt32: String]) {
        let attributes = message.attributes(at: Self.headSize)
        guard let family = message.load(UInt8.self, at: 0), let index = message.load(UInt32.self, at: 4),
            let state = message.load(UInt16.self, at: 8).map(State.init), let flags = message.load(UInt8.self, at: 10),
            !state.isDisjoint(with: .present), flags & Self.isProxy == 0, let name = names[index],
            let address = attributes[1].flatMap({ Self.address($0, family) }),  // NDA_DST
            let hardware = attributes[2].flatMap({ HardwareAddress(bytes: Array($0)) })  // NDA_LLADDR
        else { return nil }
        // NDA_CACHEINFO, a `struct nda_cacheinfo`, begins with the time since it was confirmed.
        let ticks = attributes[3]?.load(UInt32.self, at: 0) ?? 0
        self.init(
            interface: name, address: address, hardware: hardware, age: Int(ticks / Self.ticksPerSecond))
    }

    /// NTF_PROXY.
    private static let isProxy: UInt8 = 0x08

    /// NUD_… of linux/neighbour.h.
    private struct State: OptionSet {
        let rawValue: UInt16
        /// Reachable, stale, about to be asked or being asked, permanent.
        static let present = State(rawValue: 0x02 | 0x04 | 0x08 | 0x10 | 0x80)
    }

    private static func address(_ bytes: ArraySlice<UInt8>, _ family: UInt8) -> IPAddress? {
        switch Int32(family) {
        case AF_INET: bytes.load(UInt32.self, at: 0).map { .v4(UInt32(bigEndian: $0)) }
        case AF_INET6: bytes.load(UInt128.self, at: 0).map { .v6(UInt128(bigEndian: $0)) }
        default: nil
        }
    }
}
